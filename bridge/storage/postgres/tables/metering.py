"""Tables of metering: the state of the fold, which can be rebuilt at any time, and the ledger.

The ledger (calls, minute_records) is append-only and partitioned by month. It has no foreign keys, so that nothing
outside it can refuse or delay a row.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, PrimaryKeyConstraint, Table, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem

from bridge.storage.postgres.tables import columns

journal_positions: Final = Table(
    "journal_positions",
    columns.metadata,
    Column("node", Text, primary_key=True),
    columns.text("file"),
    columns.count("byte_offset"),
    Column("pulse", JSONB, nullable=False),
    Column("committed_at", columns.TIME, nullable=False, server_default=func.now()),
)


def _call() -> list[SchemaItem]:
    return [
        Column("id", Uuid, nullable=False),
        *map(columns.text, ("node", "boot", "uniqueid", "channel", "caller", "access_number", "sip_call_id")),
        columns.time("started_at"),
        columns.time("answered_at", nullable=True),
        columns.text("outcome"),
        columns.text("evidence"),
        Column("trunk_id", Uuid),
    ]


def _stay() -> list[SchemaItem]:
    """`stamped` is null when every id on the channel was a UUID; else all of them as they were, as a JSON object."""
    return [
        Column("id", Uuid, nullable=False),
        *map(columns.text, ("node", "boot", "uniqueid", "bridge_id")),
        Column("conference_id", Uuid, nullable=False),
        columns.text("room"),
        *(Column(name, Uuid) for name in ("room_id", "account_id", "sub_account_id", "passcode_id")),
        *map(columns.text, ("role", "project_code", "channel", "caller", "access_number")),
        Column("trunk_id", Uuid),
        Column("stamped", Text),
        columns.time("joined_at"),
    ]


open_calls: Final = Table("open_calls", columns.metadata, *_call(), PrimaryKeyConstraint("id"), Index(None, "node"))

# A stay with left_at is over: it stays here until the reason of its end is known.
open_stays: Final = Table(
    "open_stays",
    columns.metadata,
    *_stay(),
    columns.time("left_at", nullable=True),
    columns.text("evidence"),
    columns.count("error_bound_us"),
    columns.text("result"),
    columns.count("deducted_us"),
    columns.count("doubt_us"),
    columns.count("seen_us"),
    PrimaryKeyConstraint("id"),
    Index(None, "node"),
    Index(None, "account_id", "joined_at"),
    Index(None, "joined_at", "id"),
)

calls: Final = Table(
    "calls",
    columns.metadata,
    *_call(),
    columns.time("ended_at"),
    columns.count("duration_us"),
    Column("cause", Integer, nullable=False),
    PrimaryKeyConstraint("id", "started_at"),
    Index(None, "started_at", "id"),
    Index(None, "sip_call_id"),
    postgresql_partition_by="RANGE (started_at)",
)

minute_records: Final = Table(
    "minute_records",
    columns.metadata,
    *_stay(),
    columns.time("left_at"),
    columns.count("duration_us"),
    columns.text("left_reason"),
    columns.text("evidence"),
    columns.count("error_bound_us"),
    Column("corrects", Uuid),
    PrimaryKeyConstraint("id", "joined_at"),
    Index("minute_records_corrects_idx", "corrects", postgresql_where=text("corrects IS NOT NULL")),
    Index(None, "joined_at", "id"),
    Index(None, "account_id", "joined_at", "id"),
    Index(None, "sub_account_id", "joined_at", "id"),
    Index(None, "room_id", "joined_at", "id"),
    Index(None, "conference_id"),
    Index(None, "caller", "joined_at", "id"),
    postgresql_partition_by="RANGE (joined_at)",
)

# Findings that a person should look at. They are never billed.
incidents: Final = Table(
    "incidents",
    columns.metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    columns.text("node"),
    columns.text("boot"),
    columns.time("at"),
    columns.text("kind"),
    columns.text("subject"),
    Index(None, "at"),
)
