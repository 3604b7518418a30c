"""The bill on paper and screen."""
