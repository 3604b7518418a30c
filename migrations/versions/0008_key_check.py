"""Keep a check value of the passcode key, so that a daemon with a wrong key can refuse to start."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("directory_state", sa.Column("key_check", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("directory_state", "key_check")
