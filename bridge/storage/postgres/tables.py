"""The schema. Times are timestamptz in UTC with microseconds, durations bigint µs, money NUMERIC(18,6).

What triggers and functions do (append-only ledger, months, directory changes) stands in migrations/.
"""

from typing import Any, Final
from uuid import UUID

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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
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
SHARED: Final = UUID(int=0)
"""The space of the codes that can be dialled on shared numbers. An account with a space of its own has its id there."""


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


def _empty(name: str) -> Column[object]:
    return Column(name, Text, nullable=False, server_default="")


def _flag(name: str) -> Column[object]:
    return Column(name, Boolean, nullable=False, server_default=false())


def _labels() -> Column[object]:
    return Column("labels", JSONB, nullable=False, server_default="{}")


def _version() -> list[Column[Any]]:
    """Counts changes, so that nobody overwrites what they have not seen."""
    return [
        Column("version", BigInteger, nullable=False, server_default="1"),
        Column("updated_at", TIME, nullable=False, server_default=func.clock_timestamp()),
    ]


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
    Column("code_space", Text, nullable=False, server_default="shared"),
    Column("max_callers", Integer),
    _labels(),
    *_version(),
    CheckConstraint("state IN ('active', 'suspended', 'closed')", "state"),
    CheckConstraint("code_space IN ('shared', 'own')", "code_space"),
    CheckConstraint("max_callers > 0", "max_callers"),
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
    _empty("cost_centre"),
    Column("max_callers", Integer),
    _flag("trust_callers"),
    _labels(),
    *_version(),
    CheckConstraint("state IN ('active', 'suspended', 'closed')", "state"),
    CheckConstraint("max_callers > 0", "max_callers"),
    UniqueConstraint("account_id", "user_id"),
    UniqueConstraint("account_id", "id"),
    Index(None, "account_id", "created_at", "id"),
    Index(None, "account_id", "state", "created_at", "id"),
    Index(None, "account_id", "kind", "created_at", "id"),
    Index(None, "account_id", "kind", "state", "created_at", "id"),
)

# `labels` of sub-accounts a row each, in the order they are listed in: kept by triggers.
sub_account_labels: Final = Table(
    "sub_account_labels",
    metadata,
    Column("sub_account_id", Uuid, ForeignKey("sub_accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    _text("value"),
    Column("account_id", Uuid, nullable=False),
    _time("created_at"),
    Index("sub_account_labels_listed_idx", "account_id", "key", "value", "created_at", "sub_account_id"),
)

rooms: Final = Table(
    "rooms",
    metadata,
    _id(),
    Column("account_id", Uuid, nullable=False),
    Column("sub_account_id", Uuid, nullable=False),
    _text("name"),
    _created(),
    Column("state", Text, nullable=False, server_default="active"),
    Column("max_participants", Integer),
    *_version(),
    CheckConstraint("state IN ('active', 'closed')", "state"),
    CheckConstraint("max_participants > 0", "max_participants"),
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
    # The set of codes in which this one is prefix-free: SHARED, or the account's own.
    Column("space", Uuid, nullable=False, server_default=str(SHARED)),
    # Which key `digest` was made under; empty: a key from before there were names for them.
    _empty("key_id"),
    _empty("label"),
    _flag("chosen"),
    _time("valid_from", nullable=True),
    _time("valid_until", nullable=True),
    Column("max_uses", Integer),
    Column("uses", BigInteger, nullable=False, server_default="0"),
    Column("pin_digest", LargeBinary),
    Column("pin_sealed", LargeBinary),
    Column("replaces", Uuid),
    *_version(),
    CheckConstraint("uses >= 0", "uses"),
    CheckConstraint("max_uses > 0", "max_uses"),
    CheckConstraint("(pin_digest IS NULL) = (pin_sealed IS NULL)", "pin"),
    Index(None, "key_id", "id", postgresql_where=text("state = 'live'")),
    ForeignKeyConstraint(["account_id", "room_id"], ["rooms.account_id", "rooms.id"]),
    CheckConstraint("state IN ('live', 'revoked')", "state"),
    CheckConstraint("length BETWEEN 1 AND 16", "length"),
    CheckConstraint("octet_length(digest) = 32", "digest"),
    Index("passcodes_live_digest_key", "digest", unique=True, postgresql_where=text("state = 'live'")),
    Index(None, "room_id", "created_at", "id"),
    Index(None, "room_id", "state", "created_at", "id"),
    Index(None, "room_id", "role", "created_at", "id"),
)

# How many live passcodes of a space have a length: kept by triggers of `passcodes`, under `locks.writing_codes`. A row
# stays when its last code goes: lengths of new codes never shrink.
passcode_lengths: Final = Table(
    "passcode_lengths",
    metadata,
    Column("space", Uuid, primary_key=True),
    Column("length", SmallInteger, primary_key=True, autoincrement=False),
    _count("live"),
)

# Rows are never overwritten in what a record was named by: another name is another row. `removed_at` ends one.
known_callers: Final = Table(
    "known_callers",
    metadata,
    _id(),
    Column("account_id", Uuid, nullable=False),
    Column("sub_account_id", Uuid, nullable=False),
    Column("room_id", Uuid, nullable=False),
    _text("number"),
    _text("name"),
    _flag("skips_code"),
    _created(),
    _time("removed_at", nullable=True),
    *_version(),
    ForeignKeyConstraint(["account_id", "sub_account_id"], ["sub_accounts.account_id", "sub_accounts.id"]),
    ForeignKeyConstraint(["account_id", "room_id"], ["rooms.account_id", "rooms.id"]),
    Index(
        "known_callers_known_number_key",
        "sub_account_id",
        "number",
        unique=True,
        postgresql_where=text("removed_at IS NULL"),
    ),
    Index(None, "number"),
    Index(None, "sub_account_id", "created_at", "id"),
)

# sub_account_id is null for a code that all sub-accounts of the account may use.
project_codes: Final = Table(
    "project_codes",
    metadata,
    _id(),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("sub_account_id", Uuid),
    _text("code"),
    _text("name"),
    Column("state", Text, nullable=False, server_default="active"),
    _created(),
    *_version(),
    ForeignKeyConstraint(["account_id", "sub_account_id"], ["sub_accounts.account_id", "sub_accounts.id"]),
    UniqueConstraint("account_id", "sub_account_id", "code", postgresql_nulls_not_distinct=True),
    CheckConstraint("state IN ('active', 'closed')", "state"),
    Index(None, "account_id", "created_at", "id"),
    Index(None, "created_at", "id"),
    Index(None, "sub_account_id", "created_at", "id"),
    Index(None, "account_id", "sub_account_id", "created_at", "id"),
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
    Column("language", Text, nullable=False, server_default="en"),
    _empty("greeting"),
    *_version(),
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

# Numbers are gapless and in order of commit. A row of a kind changed: a code (`key` is its digest), a room, sub_account
# or account (the id's 16 bytes), a number or a known caller (the number); or, with both null, so much that everything
# has to be read again.
directory_changes: Final = Table(
    "directory_changes",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text),
    Column("key", LargeBinary),
    Column("changed_at", TIME, nullable=False, server_default=func.now()),
)

# --- Who asks, and what they did ----------------------------------------------------------------------------------
# `digest` is SHA-256 of a random key that is shown once; `hint` its first characters.
api_keys: Final = Table(
    "api_keys",
    metadata,
    _id(),
    _text("scope"),
    Column("account_id", Uuid, ForeignKey("accounts.id")),
    Column("sub_account_id", Uuid),
    _text("name"),
    _flag("read_only"),
    Column("digest", LargeBinary, nullable=False, unique=True),
    _text("hint"),
    _time("expires_at", nullable=True),
    _time("last_used_at", nullable=True),
    _time("revoked_at", nullable=True),
    Column("replaces", Uuid),
    _created(),
    ForeignKeyConstraint(["account_id", "sub_account_id"], ["sub_accounts.account_id", "sub_accounts.id"]),
    CheckConstraint(
        "(scope = 'operator' AND account_id IS NULL AND sub_account_id IS NULL)"
        " OR (scope = 'account' AND account_id IS NOT NULL AND sub_account_id IS NULL)"
        " OR (scope = 'sub_account' AND account_id IS NOT NULL AND sub_account_id IS NOT NULL)",
        "scope",
    ),
    Index(None, "account_id", "created_at", "id"),
    Index(None, "created_at", "id"),
)

# Who changed what, and who saw a secret. `detail` has names of fields and harmless values, never a secret.
audit_log: Final = Table(
    "audit_log",
    metadata,
    _id(),
    _created(),
    *map(_text, ("actor", "scope", "remote", "action", "subject")),
    *(Column(name, Uuid) for name in ("subject_id", "account_id", "sub_account_id")),
    Column("detail", JSONB, nullable=False, server_default="{}"),
    Index(None, "created_at", "id"),
    Index(None, "account_id", "created_at", "id"),
)

# `request` is a digest of what was asked, `answer` is sealed: it may hold digits of passcodes.
idempotency_keys: Final = Table(
    "idempotency_keys",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    _created(),
    Index(None, "created_at"),
)

# --- What nodes tell of admission, a while later perhaps -------------------------------------------------------------
# A refused entry, never its digits. The owner is known only where the code was right and something else was not.
admission_attempts: Final = Table(
    "admission_attempts",
    metadata,
    _id(),
    _time("created_at"),
    *map(_text, ("node", "uniqueid", "caller", "access_number", "trunk", "reason")),
    *(Column(name, Uuid) for name in ("account_id", "sub_account_id", "passcode_id")),
    Index(None, "created_at", "id"),
    Index(None, "account_id", "created_at", "id"),
)

# Of passcodes with limited uses.
passcode_uses: Final = Table(
    "passcode_uses",
    metadata,
    _id(),
    Column("passcode_id", Uuid, nullable=False),
    _text("uniqueid"),
    _time("used_at"),
    Index(None, "passcode_id"),
)

# --- Webhooks -----------------------------------------------------------------------------------------------------
# account_id is null for those of the operator, which are told of all accounts. `secret` is sealed.
webhooks: Final = Table(
    "webhooks",
    metadata,
    _id(),
    Column("account_id", Uuid, ForeignKey("accounts.id")),
    _text("url"),
    Column("events", ARRAY(Text), nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("state", Text, nullable=False, server_default="active"),
    _empty("label"),
    _created(),
    *_version(),
    CheckConstraint("state IN ('active', 'paused')", "state"),
    Index(None, "account_id", "created_at", "id"),
    Index(None, "created_at", "id"),
)

# An event on its way to one webhook. Those of one lane (a conference) arrive in the order of their numbers.
webhook_deliveries: Final = Table(
    "webhook_deliveries",
    metadata,
    _id(),
    Column("number", BigInteger, Identity(), nullable=False),
    Column("webhook_id", Uuid, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", Uuid, nullable=False),
    _text("event"),
    _text("lane"),
    Column("payload", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", TIME, nullable=False, server_default=func.clock_timestamp()),
    Column("status", SmallInteger),
    _empty("error"),
    _time("delivered_at", nullable=True),
    _created(),
    CheckConstraint("state IN ('pending', 'delivered', 'failed')", "state"),
    Index(
        "webhook_deliveries_pending_idx",
        "webhook_id",
        "lane",
        "number",
        postgresql_where=text("state = 'pending'"),
    ),
    Index(
        "webhook_deliveries_due_idx",
        "webhook_id",
        "next_at",
        "number",
        postgresql_where=text("state = 'pending'"),
    ),
    Index(None, "webhook_id", "created_at", "id"),
    Index(None, "created_at"),
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
