"""The base of storage: connections, tables, locks, bulk statements, migrations."""
