"""Tables of webhooks and their deliveries."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from bridge.storage.postgres.tables import columns

# account_id is null for the operator's webhooks, which get the events of all accounts. `secret` is sealed.
webhooks: Final = Table(
    "webhooks",
    columns.metadata,
    columns.primary_id(),
    Column("account_id", Uuid, ForeignKey("accounts.id")),
    columns.text("url"),
    Column("events", ARRAY(Text), nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("state", Text, nullable=False, server_default="active"),
    columns.text_or_empty("label"),
    columns.created_at(),
    *columns.version(),
    CheckConstraint("state IN ('active', 'paused')", "state"),
    Index(None, "account_id", "created_at", "id"),
    Index(None, "created_at", "id"),
)

# The delivery of one event to one webhook. Those of one lane (a conference, say) are sent in the order of their
# numbers.
webhook_deliveries: Final = Table(
    "webhook_deliveries",
    columns.metadata,
    columns.primary_id(),
    Column("number", BigInteger, Identity(), nullable=False),
    Column("webhook_id", Uuid, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("event_id", Uuid, nullable=False),
    columns.text("event"),
    columns.text("lane"),
    Column("payload", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", columns.TIME, nullable=False, server_default=func.clock_timestamp()),
    Column("status", SmallInteger),
    columns.text_or_empty("error"),
    columns.time("delivered_at", nullable=True),
    columns.created_at(),
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
