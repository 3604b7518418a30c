"""Asterisk's configuration: files rendered from asterisk-conf/ and dialplan/, and trunks, which change."""
