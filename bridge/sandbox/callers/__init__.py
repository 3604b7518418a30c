"""Real SIP callers for demo, tests and benches."""
