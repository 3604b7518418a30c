"""Storage of access: API keys, ownership, audit log and idempotency."""
