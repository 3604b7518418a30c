"""Use cases of access: API keys, ownership, audit log and idempotency."""
