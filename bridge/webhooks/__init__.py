"""Adapter: webhooks over HTTP."""
