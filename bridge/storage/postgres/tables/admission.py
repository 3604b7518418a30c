"""Tables of admission, filled by nodes, perhaps a while after the call."""

from typing import Final

from sqlalchemy import Column, Index, Table, Uuid

from bridge.storage.postgres.tables import columns

# A refused entry, never its digits. The owner is known only where the code was right and something else was not.
admission_attempts: Final = Table(
    "admission_attempts",
    columns.metadata,
    columns.primary_id(),
    columns.time("created_at"),
    *map(columns.text, ("node", "uniqueid", "caller", "access_number", "trunk", "reason")),
    *(Column(name, Uuid) for name in ("account_id", "sub_account_id", "passcode_id", "trunk_id")),
    Index(None, "created_at", "id"),
    Index(None, "account_id", "created_at", "id"),
)

# Uses of passcodes with limited uses, one row for each call.
passcode_uses: Final = Table(
    "passcode_uses",
    columns.metadata,
    columns.primary_id(),
    Column("passcode_id", Uuid, nullable=False),
    columns.text("uniqueid"),
    columns.time("used_at"),
    Index(None, "passcode_id"),
)
