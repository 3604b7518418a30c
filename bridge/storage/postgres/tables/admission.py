"""Tables of admission, filled by nodes, perhaps a while after the call."""

from typing import Final

from sqlalchemy import CheckConstraint, Column, Double, Index, SmallInteger, Table, Text, Uuid

from bridge.storage.postgres.tables import columns

# A refused entry, never its digits. The owner is known only where the code was right and something else was not.
admission_attempts: Final = Table(
    "admission_attempts",
    columns.metadata,
    columns.primary_id(),
    columns.time("created_at"),
    *map(columns.text, ("node", "uniqueid", "caller", "access_number", "trunk", "reason")),
    *(Column(name, Uuid) for name in ("account_id", "sub_account_id", "passcode_id", "trunk_id")),
    Column("waited_for", Text),
    Column("chance", Double, nullable=False, server_default="0"),
    Index(None, "created_at", "id"),
    Index(None, "account_id", "created_at", "id"),
)

# The share that is left of the expected openings by guessing that all nodes may draw: one row, made by the first draw.
guess_stock: Final = Table(
    "guess_stock",
    columns.metadata,
    Column("id", SmallInteger, CheckConstraint("id = 1", name="one"), primary_key=True, autoincrement=False),
    Column("share", Double, nullable=False),
    columns.time("at"),
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
