"""Bulk requests: many items in one body, as JSON or CSV."""
