"""Create the first tables. bridge/storage/postgres/tables shows the schema as it is now."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("accounts_pkey")),
    )
    op.create_index(op.f("accounts_created_at_id_idx"), "accounts", ["created_at", "id"], unique=False)
    op.create_table(
        "calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("uniqueid", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("access_number", sa.Text(), nullable=False),
        sa.Column("sip_call_id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Integer(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", "started_at", name=op.f("calls_pkey")),
        postgresql_partition_by="RANGE (started_at)",
    )
    op.create_index(op.f("calls_sip_call_id_idx"), "calls", ["sip_call_id"], unique=False)
    op.create_index(op.f("calls_started_at_id_idx"), "calls", ["started_at", "id"], unique=False)
    op.create_table(
        "charges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("minute_record_id", sa.Uuid(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("sub_account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("tariff_version_id", sa.Uuid(), nullable=False),
        sa.Column("billed_seconds", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", "joined_at", name=op.f("charges_pkey")),
        sa.UniqueConstraint("minute_record_id", "joined_at", name=op.f("charges_minute_record_id_joined_at_key")),
        postgresql_partition_by="RANGE (joined_at)",
    )
    op.create_index(op.f("charges_account_id_joined_at_idx"), "charges", ["account_id", "joined_at"], unique=False)
    op.create_table(
        "directory_changes",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("access_number", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("directory_changes_pkey")),
    )
    op.create_table(
        "directory_state",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("database_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("directory_state_id_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("directory_state_pkey")),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("incidents_pkey")),
    )
    op.create_index(op.f("incidents_at_idx"), "incidents", ["at"], unique=False)
    op.create_table(
        "journal_positions",
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("byte_offset", sa.BigInteger(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("last_us", sa.BigInteger(), nullable=False),
        sa.Column("froze_us", sa.BigInteger(), nullable=False),
        sa.Column("woke_us", sa.BigInteger(), nullable=False),
        sa.Column("committed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("node", name=op.f("journal_positions_pkey")),
    )
    op.create_table(
        "minute_records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("uniqueid", sa.Text(), nullable=False),
        sa.Column("bridge_id", sa.Text(), nullable=False),
        sa.Column("conference_id", sa.Uuid(), nullable=False),
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("sub_account_id", sa.Uuid(), nullable=True),
        sa.Column("passcode_id", sa.Uuid(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("project_code", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("access_number", sa.Text(), nullable=False),
        sa.Column("stamped", sa.Text(), nullable=True),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        sa.Column("left_reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("error_bound_us", sa.BigInteger(), nullable=False),
        sa.Column("corrects", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", "joined_at", name=op.f("minute_records_pkey")),
        postgresql_partition_by="RANGE (joined_at)",
    )
    op.create_index(
        op.f("minute_records_account_id_joined_at_id_idx"),
        "minute_records",
        ["account_id", "joined_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("minute_records_caller_joined_at_id_idx"), "minute_records", ["caller", "joined_at", "id"], unique=False
    )
    op.create_index(op.f("minute_records_conference_id_idx"), "minute_records", ["conference_id"], unique=False)
    op.create_index(op.f("minute_records_joined_at_id_idx"), "minute_records", ["joined_at", "id"], unique=False)
    op.create_index(
        op.f("minute_records_room_id_joined_at_id_idx"), "minute_records", ["room_id", "joined_at", "id"], unique=False
    )
    op.create_index(
        op.f("minute_records_sub_account_id_joined_at_id_idx"),
        "minute_records",
        ["sub_account_id", "joined_at", "id"],
        unique=False,
    )
    op.create_table(
        "open_calls",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("uniqueid", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("access_number", sa.Text(), nullable=False),
        sa.Column("sip_call_id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("open_calls_pkey")),
    )
    op.create_index(op.f("open_calls_node_idx"), "open_calls", ["node"], unique=False)
    op.create_table(
        "open_stays",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("uniqueid", sa.Text(), nullable=False),
        sa.Column("bridge_id", sa.Text(), nullable=False),
        sa.Column("conference_id", sa.Uuid(), nullable=False),
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("sub_account_id", sa.Uuid(), nullable=True),
        sa.Column("passcode_id", sa.Uuid(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("project_code", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("access_number", sa.Text(), nullable=False),
        sa.Column("stamped", sa.Text(), nullable=True),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("error_bound_us", sa.BigInteger(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("open_stays_pkey")),
    )
    op.create_index(
        op.f("open_stays_account_id_joined_at_idx"), "open_stays", ["account_id", "joined_at"], unique=False
    )
    op.create_index(op.f("open_stays_joined_at_id_idx"), "open_stays", ["joined_at", "id"], unique=False)
    op.create_index(op.f("open_stays_node_idx"), "open_stays", ["node"], unique=False)
    op.create_table(
        "passcode_lengths",
        sa.Column("length", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("live", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("length", name=op.f("passcode_lengths_pkey")),
    )
    op.create_table(
        "access_numbers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("access_numbers_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("access_numbers_pkey")),
        sa.UniqueConstraint("number", name=op.f("access_numbers_number_key")),
    )
    op.create_index(op.f("access_numbers_account_id_idx"), "access_numbers", ["account_id"], unique=False)
    op.create_index(op.f("access_numbers_created_at_id_idx"), "access_numbers", ["created_at", "id"], unique=False)
    op.create_table(
        "sub_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("sub_accounts_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("sub_accounts_pkey")),
        sa.UniqueConstraint("account_id", "id", name=op.f("sub_accounts_account_id_id_key")),
        sa.UniqueConstraint("account_id", "user_id", name=op.f("sub_accounts_account_id_user_id_key")),
    )
    op.create_index(
        op.f("sub_accounts_account_id_created_at_id_idx"),
        "sub_accounts",
        ["account_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "tariff_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("per_minute", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("connect_fee", sa.Numeric(precision=18, scale=6), nullable=False),
        sa.Column("first_increment_s", sa.Integer(), nullable=False),
        sa.Column("next_increment_s", sa.Integer(), nullable=False),
        sa.Column("decimals", sa.SmallInteger(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("tariff_versions_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("tariff_versions_pkey")),
        sa.UniqueConstraint("account_id", "effective_from", name=op.f("tariff_versions_account_id_effective_from_key")),
    )
    op.create_table(
        "rooms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("sub_account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "sub_account_id"],
            ["sub_accounts.account_id", "sub_accounts.id"],
            name=op.f("rooms_account_id_sub_account_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("rooms_pkey")),
        sa.UniqueConstraint("account_id", "id", name=op.f("rooms_account_id_id_key")),
    )
    op.create_index(
        op.f("rooms_sub_account_id_created_at_id_idx"), "rooms", ["sub_account_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "passcodes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="live", nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("length", sa.SmallInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('live', 'revoked')", name=op.f("passcodes_state_check")),
        sa.CheckConstraint("length BETWEEN 1 AND 16", name=op.f("passcodes_length_check")),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("passcodes_digest_check")),
        sa.ForeignKeyConstraint(
            ["account_id", "room_id"], ["rooms.account_id", "rooms.id"], name=op.f("passcodes_account_id_room_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("passcodes_pkey")),
    )
    op.create_index(
        "passcodes_live_digest_key", "passcodes", ["digest"], unique=True, postgresql_where=sa.text("state = 'live'")
    )
    op.create_index(
        op.f("passcodes_room_id_created_at_id_idx"), "passcodes", ["room_id", "created_at", "id"], unique=False
    )


def downgrade() -> None:
    op.drop_table("passcodes")
    op.drop_table("rooms")
    op.drop_table("tariff_versions")
    op.drop_table("sub_accounts")
    op.drop_table("access_numbers")
    op.drop_table("passcode_lengths")
    op.drop_table("open_stays")
    op.drop_table("open_calls")
    op.drop_table("minute_records")
    op.drop_table("journal_positions")
    op.drop_table("incidents")
    op.drop_table("directory_state")
    op.drop_table("directory_changes")
    op.drop_table("charges")
    op.drop_table("calls")
    op.drop_table("accounts")
