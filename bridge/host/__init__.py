"""The machine that the daemon runs on: the state of its clock."""
