"""Add the stock of expected openings by guessing. Refused entries tell what they waited for."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "guess_stock",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("guess_stock_one_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("guess_stock_pkey")),
    )
    op.add_column("admission_attempts", sa.Column("waited_for", sa.Text(), nullable=True))
    op.add_column("admission_attempts", sa.Column("chance", sa.Double(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("admission_attempts", "chance")
    op.drop_column("admission_attempts", "waited_for")
    op.drop_table("guess_stock")
