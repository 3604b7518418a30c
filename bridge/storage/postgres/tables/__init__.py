"""The schema, one module a subject. Triggers and functions (append-only ledger, months, directory changes) stand in
migrations/."""
