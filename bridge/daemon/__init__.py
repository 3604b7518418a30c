"""The daemon: its parts, how they hang together, and their health."""
