"""The commands of `bridge`, a module a subject. They speak to Postgres directly: for operators on the box."""
