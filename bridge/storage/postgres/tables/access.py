"""Tables of access: API keys, the audit log and stored responses."""

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from bridge.storage.postgres.tables import columns

# `digest` is SHA-256 of a random key that is shown once; `hint` its first characters.
api_keys: Final = Table(
    "api_keys",
    columns.metadata,
    columns.primary_id(),
    columns.text("scope"),
    Column("account_id", Uuid, ForeignKey("accounts.id")),
    Column("sub_account_id", Uuid),
    columns.text("name"),
    columns.flag("read_only"),
    Column("digest", LargeBinary, nullable=False, unique=True),
    columns.text("hint"),
    columns.time("expires_at", nullable=True),
    columns.time("last_used_at", nullable=True),
    columns.time("revoked_at", nullable=True),
    Column("replaces", Uuid),
    columns.created_at(),
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

# Changes, and reveals of secrets, with their actors. `detail` has names of fields and harmless values, never a secret.
audit_log: Final = Table(
    "audit_log",
    columns.metadata,
    columns.primary_id(),
    columns.created_at(),
    *map(columns.text, ("actor", "scope", "remote", "action", "subject")),
    *(Column(name, Uuid) for name in ("subject_id", "account_id", "sub_account_id")),
    Column("detail", JSONB, nullable=False, server_default="{}"),
    Index(None, "created_at", "id"),
    Index(None, "account_id", "created_at", "id"),
)

# `request` is a digest of the whole request. `answer`, the response, is sealed: it may hold digits of passcodes.
idempotency_keys: Final = Table(
    "idempotency_keys",
    columns.metadata,
    Column("owner", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    columns.created_at(),
    Index(None, "created_at"),
)
