from conftest_api import client, database, database_url, directory, health, rooms

__all__ = ["client", "database", "database_url", "directory", "health", "rooms"]
