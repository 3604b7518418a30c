"""What carriers send: files of the calls that they bill."""
