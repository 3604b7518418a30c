"""The schema. Times are timestamptz in UTC with microseconds, durations bigint µs, money NUMERIC(18,6).

What triggers and functions do (append-only ledger, months, directory changes) stands in migrations/.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.schema import SchemaItem

metadata: Final = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)
MONEY: Final = Numeric(18, 6)
TIME: Final = DateTime(timezone=True)


def _id() -> Column[object]:
    return Column("id", Uuid, primary_key=True)


def _created() -> Column[object]:
    return Column("created_at", TIME, nullable=False, server_default=func.clock_timestamp())


def _text(name: str) -> Column[object]:
    return Column(name, Text, nullable=False)


def _time(name: str, nullable: bool = False) -> Column[object]:
    return Column(name, TIME, nullable=nullable)


def _count(name: str) -> Column[object]:
    return Column(name, BigInteger, nullable=False)


# --- Tenants ------------------------------------------------------------------------------------------------------
accounts: Final = Table(
    "accounts",
    metadata,
    _id(),
    _text("name"),
    _text("currency"),
    _text("time_zone"),
    Column("state", Text, nullable=False, server_default="active"),
    _created(),
    Index(None, "created_at", "id"),
)

sub_accounts: Final = Table(
    "sub_accounts",
    metadata,
    _id(),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    _text("user_id"),
    _text("name"),
    _text("kind"),
    Column("state", Text, nullable=False, server_default="active"),
    _created(),
    UniqueConstraint("account_id", "user_id"),
    UniqueConstraint("account_id", "id"),
    Index(None, "account_id", "created_at", "id"),
)

rooms: Final = Table(
    "rooms",
    metadata,
    _id(),
    Column("account_id", Uuid, nullable=False),
    Column("sub_account_id", Uuid, nullable=False),
    _text("name"),
    _created(),
    ForeignKeyConstraint(["account_id", "sub_account_id"], ["sub_accounts.account_id", "sub_accounts.id"]),
    UniqueConstraint("account_id", "id"),
    Index(None, "sub_account_id", "created_at", "id"),
)

passcodes: Final = Table(
    "passcodes",
    metadata,
    _id(),
    Column("account_id", Uuid, nullable=False),
    Column("room_id", Uuid, nullable=False),
    _text("role"),
    Column("state", Text, nullable=False, server_default="live"),
    Column("digest", LargeBinary, nullable=False),
    Column("length", SmallInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    _created(),
    _time("revoked_at", nullable=True),
    ForeignKeyConstraint(["account_id", "room_id"], ["rooms.account_id", "rooms.id"]),
    CheckConstraint("state IN ('live', 'revoked')", "state"),
    CheckConstraint("length BETWEEN 1 AND 16", "length"),
    CheckConstraint("octet_length(digest) = 32", "digest"),
    Index("passcodes_live_digest_key", "digest", unique=True, postgresql_where=text("state = 'live'")),
    Index(None, "room_id", "created_at", "id"),
)

# How many live passcodes have a length: kept by triggers of `passcodes`, under the lock of `codes.lock`.
passcode_lengths: Final = Table(
    "passcode_lengths",
    metadata,
    Column("length", SmallInteger, primary_key=True, autoincrement=False),
    _count("live"),
)

# account_id is null for a number that all accounts share.
access_numbers: Final = Table(
    "access_numbers",
    metadata,
    _id(),
    Column("account_id", Uuid, ForeignKey("accounts.id"), index=True),
    Column("number", Text, nullable=False, unique=True),
    _text("kind"),
    _created(),
    Index(None, "created_at", "id"),
)

# Never updated: triggers refuse it. Prices are amounts of the account's currency.
tariff_versions: Final = Table(
    "tariff_versions",
    metadata,
    _id(),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    _time("effective_from"),
    Column("per_minute", MONEY, nullable=False),
    Column("connect_fee", MONEY, nullable=False),
    Column("first_increment_s", Integer, nullable=False),
    Column("next_increment_s", Integer, nullable=False),
    Column("decimals", SmallInteger, nullable=False),
    Column("bill_estimated", Boolean, nullable=False, server_default=false()),
    _created(),
    UniqueConstraint("account_id", "effective_from"),
)

# --- The local directories' news ----------------------------------------------------------------------------------
# One row. `number` is that of the last change; `database_id` tells this database from any other.
directory_state: Final = Table(
    "directory_state",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("database_id", Uuid, nullable=False, server_default=func.gen_random_uuid()),
    _count("number"),
    CheckConstraint("id = 1", "id"),
)

# Numbers are gapless and in order of commit. A passcode changed (`digest`), an access number (`access_number`), or,
# with both null, so much that everything has to be read again.
directory_changes: Final = Table(
    "directory_changes",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary),
    Column("access_number", Text),
    Column("changed_at", TIME, nullable=False, server_default=func.now()),
)

# --- Minutes: where the fold stands, rebuildable at will ------------------------------------------------------------
journal_positions: Final = Table(
    "journal_positions",
    metadata,
    Column("node", Text, primary_key=True),
    _text("file"),
    _count("byte_offset"),
    Column("pulse", JSONB, nullable=False),
    Column("committed_at", TIME, nullable=False, server_default=func.now()),
)


def _call() -> list[SchemaItem]:
    return [
        Column("id", Uuid, nullable=False),
        *map(_text, ("node", "boot", "uniqueid", "channel", "caller", "access_number", "sip_call_id")),
        _time("started_at"),
        _time("answered_at", nullable=True),
        _text("outcome"),
        _text("evidence"),
    ]


def _stay() -> list[SchemaItem]:
    """`stamped` is null when every id on the channel was a UUID; else all of them as they were, as a JSON object."""
    return [
        Column("id", Uuid, nullable=False),
        *map(_text, ("node", "boot", "uniqueid", "bridge_id")),
        Column("conference_id", Uuid, nullable=False),
        _text("room"),
        *(Column(name, Uuid) for name in ("room_id", "account_id", "sub_account_id", "passcode_id")),
        *map(_text, ("role", "project_code", "channel", "caller", "access_number")),
        Column("stamped", Text),
        _time("joined_at"),
    ]


open_calls: Final = Table("open_calls", metadata, *_call(), PrimaryKeyConstraint("id"), Index(None, "node"))

# Once left_at is known the stay is over, and waits only for the reason.
open_stays: Final = Table(
    "open_stays",
    metadata,
    *_stay(),
    _time("left_at", nullable=True),
    _text("evidence"),
    _count("error_bound_us"),
    _text("result"),
    _count("deducted_us"),
    _count("doubt_us"),
    _count("seen_us"),
    PrimaryKeyConstraint("id"),
    Index(None, "node"),
    Index(None, "account_id", "joined_at"),
    Index(None, "joined_at", "id"),
)

# --- The ledger: append-only, by month; nothing outside it can refuse or delay a row, so no foreign keys --------------
calls: Final = Table(
    "calls",
    metadata,
    *_call(),
    _time("ended_at"),
    _count("duration_us"),
    Column("cause", Integer, nullable=False),
    PrimaryKeyConstraint("id", "started_at"),
    Index(None, "started_at", "id"),
    Index(None, "sip_call_id"),
    postgresql_partition_by="RANGE (started_at)",
)

minute_records: Final = Table(
    "minute_records",
    metadata,
    *_stay(),
    _time("left_at"),
    _count("duration_us"),
    _text("left_reason"),
    _text("evidence"),
    _count("error_bound_us"),
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

# user_id, name and kind are the sub-account's at the instant of the join. `reverses` names the charge that a negative
# one takes back, since its record was corrected: sums stay right without knowing of corrections.
charges: Final = Table(
    "charges",
    metadata,
    Column("id", Uuid, nullable=False),
    _text("node"),
    _text("boot"),
    Column("minute_record_id", Uuid, nullable=False),
    _time("joined_at"),
    Column("account_id", Uuid, nullable=False),
    Column("sub_account_id", Uuid, nullable=False),
    *map(_text, ("user_id", "name", "kind")),
    Column("tariff_version_id", Uuid, nullable=False),
    _count("billed_seconds"),
    Column("amount", MONEY, nullable=False),
    _text("currency"),
    Column("reverses", Uuid),
    PrimaryKeyConstraint("id", "joined_at"),
    Index(
        "charges_minute_record_id_joined_at_key",
        "minute_record_id",
        "joined_at",
        unique=True,
        postgresql_where=text("reverses IS NULL"),
    ),
    Index(None, "account_id", "joined_at"),
    postgresql_partition_by="RANGE (joined_at)",
)

# What a person should look at. Never billable.
incidents: Final = Table(
    "incidents",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    _text("node"),
    _text("boot"),
    _time("at"),
    _text("kind"),
    _text("subject"),
    Index(None, "at"),
)

LEDGER: Final = (calls, minute_records, charges)
