"""The commands of `bridge`, one module a subject. Most call REST; those that need no daemon use Postgres or files."""
