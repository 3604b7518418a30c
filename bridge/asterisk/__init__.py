"""Asterisk as the product sees it: ARI, AMI, the journal file, the configuration it runs with."""
