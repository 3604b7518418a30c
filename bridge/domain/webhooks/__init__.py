"""The rules of webhooks: events on their way to receivers."""
