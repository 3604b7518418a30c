"""Number changes of how many live codes a code space has by length, so that local directories follow the odds.

An index finds the passcode that came in place of another.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

EVENTS = ("INSERT", "UPDATE")
NOTE = "PERFORM note_changes('space', ARRAY(SELECT DISTINCT uuid_send(space) FROM new_rows))"


def upgrade() -> None:
    for event in EVENTS:
        name = f"passcode_lengths_note_{event.lower()}"
        op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {NOTE}; RETURN NULL; END $$")
        op.execute(
            f"CREATE TRIGGER directory_news_{event.lower()} AFTER {event} ON passcode_lengths "
            f"REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )
    op.create_index(
        op.f("passcodes_replaces_idx"), "passcodes", ["replaces"], postgresql_where=sa.text("replaces IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index(op.f("passcodes_replaces_idx"), "passcodes")
    for event in EVENTS:
        op.execute(f"DROP FUNCTION passcode_lengths_note_{event.lower()}() CASCADE")
    # Directories of before know no such changes: they read everything again.
    op.execute("DELETE FROM directory_changes WHERE kind = 'space'")
