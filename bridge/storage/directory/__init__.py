"""The local directory: passcodes, rooms and numbers in a file beside the daemon, which follows Postgres."""
