"""Use cases of webhooks: events on their way to receivers."""
