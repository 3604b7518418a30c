"""Storage of webhooks: events on their way to receivers."""
