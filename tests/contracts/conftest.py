"""Fixtures of a real Postgres."""

from tests.storage.conftest import account, database, migrated, secrets, server, state_dir, sub_account, tenants, url

__all__ = ["account", "database", "migrated", "secrets", "server", "state_dir", "sub_account", "tenants", "url"]
