"""Serves the application: connections, middlewares, and the sending of responses."""
