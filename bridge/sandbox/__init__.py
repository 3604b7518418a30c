"""A private Asterisk, Postgres and callers on one machine, for demo, development and tests."""
