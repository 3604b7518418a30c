"""The files that carriers send: the calls that they bill."""
