"""Tables of provisioning: accounts and what belongs to them. Each tenant's row bears the id of its account."""

from typing import Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from bridge.domain.provisioning import quotas
from bridge.storage.postgres.tables import columns

SHARED: Final = UUID(int=0)
"""The id of the code space of shared numbers. The code space of an account has the account's id."""

accounts: Final = Table(
    "accounts",
    columns.metadata,
    columns.primary_id(),
    columns.text("name"),
    columns.text("currency"),
    columns.text("time_zone"),
    Column("state", Text, nullable=False, server_default="active"),
    columns.created_at(),
    Column("code_space", Text, nullable=False, server_default="shared"),
    Column("max_callers", Integer),
    *(Column(quota.field, Integer, server_default=str(most)) for quota, most in quotas.DEFAULTS.items()),
    columns.labels(),
    *columns.version(),
    CheckConstraint("state IN ('active', 'suspended', 'closed')", "state"),
    CheckConstraint("code_space IN ('shared', 'own')", "code_space"),
    CheckConstraint("max_callers > 0", "max_callers"),
    Index(None, "created_at", "id"),
)

# How many things of each kind of quotas.Quota an account has, webhooks aside. Triggers keep it. They come after those
# that number changes for local directories, so that the rows of all transactions are locked in the same order.
account_usage: Final = Table(
    "account_usage",
    columns.metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("quota", Text, primary_key=True),
    columns.count("used"),
)

# Chosen codes that an account tried on its last day (of UTC) with any.
chosen_code_tries: Final = Table(
    "chosen_code_tries",
    columns.metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("day", Date, nullable=False),
    Column("tries", Integer, nullable=False),
)

sub_accounts: Final = Table(
    "sub_accounts",
    columns.metadata,
    columns.primary_id(),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    columns.text("user_id"),
    columns.text("name"),
    columns.text("kind"),
    Column("state", Text, nullable=False, server_default="active"),
    columns.created_at(),
    columns.text_or_empty("cost_centre"),
    Column("max_callers", Integer),
    columns.flag("trust_callers"),
    columns.labels(),
    *columns.version(),
    CheckConstraint("state IN ('active', 'suspended', 'closed')", "state"),
    CheckConstraint("max_callers > 0", "max_callers"),
    UniqueConstraint("account_id", "user_id"),
    UniqueConstraint("account_id", "id"),
    Index(None, "account_id", "created_at", "id"),
    Index(None, "account_id", "state", "created_at", "id"),
    Index(None, "account_id", "kind", "created_at", "id"),
    Index(None, "account_id", "kind", "state", "created_at", "id"),
)

# One row for each of the `labels` of sub-accounts, for lists that filter by label. Triggers keep it.
sub_account_labels: Final = Table(
    "sub_account_labels",
    columns.metadata,
    Column("sub_account_id", Uuid, ForeignKey("sub_accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("key", Text, primary_key=True),
    columns.text("value"),
    Column("account_id", Uuid, nullable=False),
    columns.time("created_at"),
    Index("sub_account_labels_listed_idx", "account_id", "key", "value", "created_at", "sub_account_id"),
)

rooms: Final = Table(
    "rooms",
    columns.metadata,
    columns.primary_id(),
    Column("account_id", Uuid, nullable=False),
    Column("sub_account_id", Uuid, nullable=False),
    columns.text("name"),
    columns.created_at(),
    Column("state", Text, nullable=False, server_default="active"),
    Column("max_participants", Integer),
    *columns.version(),
    CheckConstraint("state IN ('active', 'closed')", "state"),
    CheckConstraint("max_participants > 0", "max_participants"),
    ForeignKeyConstraint(["account_id", "sub_account_id"], ["sub_accounts.account_id", "sub_accounts.id"]),
    UniqueConstraint("account_id", "id"),
    Index(None, "sub_account_id", "created_at", "id"),
)

passcodes: Final = Table(
    "passcodes",
    columns.metadata,
    columns.primary_id(),
    Column("account_id", Uuid, nullable=False),
    Column("room_id", Uuid, nullable=False),
    columns.text("role"),
    Column("state", Text, nullable=False, server_default="live"),
    Column("digest", LargeBinary, nullable=False),
    Column("length", SmallInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    columns.created_at(),
    columns.time("revoked_at", nullable=True),
    # The code space in which this code is prefix-free: SHARED, or the account's id.
    Column("space", Uuid, nullable=False, server_default=str(SHARED)),
    # The id of the key that `digest` was made under; empty for keys from before they had ids.
    columns.text_or_empty("key_id"),
    columns.text_or_empty("label"),
    columns.flag("chosen"),
    columns.time("valid_from", nullable=True),
    columns.time("valid_until", nullable=True),
    Column("max_uses", Integer),
    Column("uses", BigInteger, nullable=False, server_default="0"),
    Column("pin_digest", LargeBinary),
    Column("pin_sealed", LargeBinary),
    Column("replaces", Uuid),
    *columns.version(),
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
    Index(None, "replaces", postgresql_where=text("replaces IS NOT NULL")),
)

# The number of live passcodes of each length in a code space. Triggers of `passcodes` keep it, under
# `locks.lock_code_space`. A row stays when its last code goes.
passcode_lengths: Final = Table(
    "passcode_lengths",
    columns.metadata,
    Column("space", Uuid, primary_key=True),
    Column("length", SmallInteger, primary_key=True, autoincrement=False),
    columns.count("live"),
)

# Minute records take the caller's name from here, so a name is never overwritten: a new name is a new row, and
# `removed_at` ends the former.
known_callers: Final = Table(
    "known_callers",
    columns.metadata,
    columns.primary_id(),
    Column("account_id", Uuid, nullable=False),
    Column("sub_account_id", Uuid, nullable=False),
    Column("room_id", Uuid, nullable=False),
    columns.text("number"),
    columns.text("name"),
    columns.flag("skips_code"),
    columns.created_at(),
    columns.time("removed_at", nullable=True),
    *columns.version(),
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
    columns.metadata,
    columns.primary_id(),
    Column("account_id", Uuid, ForeignKey("accounts.id"), nullable=False),
    Column("sub_account_id", Uuid),
    columns.text("code"),
    columns.text("name"),
    Column("state", Text, nullable=False, server_default="active"),
    columns.created_at(),
    *columns.version(),
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
    columns.metadata,
    columns.primary_id(),
    Column("account_id", Uuid, ForeignKey("accounts.id"), index=True),
    Column("number", Text, nullable=False, unique=True),
    columns.text("kind"),
    columns.created_at(),
    Column("language", Text, nullable=False, server_default="en"),
    columns.text_or_empty("greeting"),
    Column("trunk_ids", ARRAY(Uuid), nullable=False, server_default="{}"),
    *columns.version(),
    Index(None, "created_at", "id"),
)

# The password is sealed as passcodes are. Ledger rows name trunks by id, without foreign keys.
trunks: Final = Table(
    "trunks",
    columns.metadata,
    columns.primary_id(),
    Column("name", Text, nullable=False, unique=True),
    columns.created_at(),
    columns.texts("addresses"),
    *map(columns.text, ("registrar", "username")),
    Column("password_sealed", LargeBinary),
    columns.text("transport"),
    columns.flag("srtp"),
    columns.texts("codecs"),
    *map(columns.text, ("dtmf", "number_form", "prefix", "country", "number_source")),
    columns.flag("trust_identity"),
    columns.flag("record_private"),
    columns.texts("media_networks"),
    columns.flag("rtp_symmetric"),
    columns.text("session_timers"),
    columns.flag("reliable_provisional"),
    columns.text("public_address"),
    Column("max_calls", Integer),
    Column("max_dialogues", Integer),
    *columns.version(),
    Index(None, "created_at", "id"),
)
