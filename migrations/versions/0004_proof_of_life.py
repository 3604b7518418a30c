"""Add the switch's state to journal positions, corrections to the ledger, and estimated seconds to tariffs."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

PULSE = """
UPDATE journal_positions SET pulse = jsonb_build_object(
    'boot', boot, 'alive_us', last_us, 'proof_us', last_us, 'line_us', last_us, 'froze_us', froze_us, 'woke_us', woke_us
)
"""
COLUMNS = """
UPDATE journal_positions SET
    boot = COALESCE(pulse->>'boot', ''),
    last_us = COALESCE((pulse->>'proof_us')::bigint, 0),
    froze_us = COALESCE((pulse->>'froze_us')::bigint, 0),
    woke_us = COALESCE((pulse->>'woke_us')::bigint, 0)
"""
FORMER = ("last_us", "froze_us", "woke_us")


def upgrade() -> None:
    op.add_column("journal_positions", sa.Column("pulse", postgresql.JSONB(), nullable=False, server_default="{}"))
    op.execute(PULSE)
    op.alter_column("journal_positions", "pulse", server_default=None)
    for name in ("boot", *FORMER):
        op.drop_column("journal_positions", name)
    op.add_column("open_calls", sa.Column("evidence", sa.Text(), nullable=False, server_default="measured"))
    op.alter_column("open_calls", "evidence", server_default=None)
    for name in ("deducted_us", "doubt_us", "seen_us"):
        op.add_column("open_stays", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
        op.alter_column("open_stays", name, server_default=None)
    op.add_column(
        "tariff_versions", sa.Column("bill_estimated", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_index(
        "minute_records_corrects_idx", "minute_records", ["corrects"], postgresql_where=sa.text("corrects IS NOT NULL")
    )
    op.add_column("charges", sa.Column("reverses", sa.Uuid(), nullable=True))
    op.drop_constraint("charges_minute_record_id_joined_at_key", "charges", type_="unique")
    op.create_index(
        "charges_minute_record_id_joined_at_key",
        "charges",
        ["minute_record_id", "joined_at"],
        unique=True,
        postgresql_where=sa.text("reverses IS NULL"),
    )


def downgrade() -> None:
    op.drop_index("charges_minute_record_id_joined_at_key", "charges")
    op.create_unique_constraint("charges_minute_record_id_joined_at_key", "charges", ["minute_record_id", "joined_at"])
    op.drop_column("charges", "reverses")
    op.drop_index("minute_records_corrects_idx", "minute_records")
    op.drop_column("tariff_versions", "bill_estimated")
    for name in ("deducted_us", "doubt_us", "seen_us"):
        op.drop_column("open_stays", name)
    op.drop_column("open_calls", "evidence")
    op.add_column("journal_positions", sa.Column("boot", sa.Text(), nullable=False, server_default=""))
    for name in FORMER:
        op.add_column("journal_positions", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(COLUMNS)
    for name in ("boot", *FORMER):
        op.alter_column("journal_positions", name, server_default=None)
    op.drop_column("journal_positions", "pulse")
