"""The local directory: passcodes, rooms and numbers in a file beside the daemon, kept in step with Postgres."""
