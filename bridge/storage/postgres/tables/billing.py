"""Tables of billing: tariff versions, and the charges of minute records."""

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    UniqueConstraint,
    Uuid,
    false,
    text,
)

from bridge.storage.postgres.tables import columns

# Triggers refuse updates: a version that was used must explain its charges for ever. Prices are in the account's
# currency.
tariff_versions: Final = Table(
    "tariff_versions",
    columns.metadata,
    columns.primary_id(),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    columns.time("effective_from"),
    Column("per_minute", columns.MONEY, nullable=False),
    Column("connect_fee", columns.MONEY, nullable=False),
    Column("first_increment_s", Integer, nullable=False),
    Column("next_increment_s", Integer, nullable=False),
    Column("decimals", SmallInteger, nullable=False),
    Column("bill_estimated", Boolean, nullable=False, server_default=false()),
    columns.created_at(),
    UniqueConstraint("account_id", "effective_from"),
)

# user_id, name and kind are the sub-account's at the instant of the join. A negative charge takes back the one that
# `reverses` names, because its record was corrected. So plain sums are right, without regard to corrections.
charges: Final = Table(
    "charges",
    columns.metadata,
    Column("id", Uuid, nullable=False),
    columns.text("node"),
    columns.text("boot"),
    Column("minute_record_id", Uuid, nullable=False),
    columns.time("joined_at"),
    Column("account_id", Uuid, nullable=False),
    Column("sub_account_id", Uuid, nullable=False),
    *map(columns.text, ("user_id", "name", "kind")),
    Column("tariff_version_id", Uuid, nullable=False),
    columns.count("billed_seconds"),
    Column("amount", columns.MONEY, nullable=False),
    columns.text("currency"),
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
