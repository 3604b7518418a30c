"""Postgres and the local directory. Rows never leave this package."""
