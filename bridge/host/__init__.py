"""The machine that the daemon runs on: the state of its clock, and private files on its disk."""
