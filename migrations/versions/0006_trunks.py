"""Add trunks. Access numbers name them, and calls, stays and refused entries bear their id."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)
BEARING = ("open_calls", "open_stays", "calls", "minute_records", "admission_attempts")
KEYS = {
    "INSERT": "SELECT uuid_send(id) FROM new_rows",
    "UPDATE": "SELECT uuid_send(id) FROM new_rows",
    "DELETE": "SELECT uuid_send(id) FROM old_rows",
}
ROWS = {"INSERT": "NEW TABLE AS new_rows", "UPDATE": "NEW TABLE AS new_rows", "DELETE": "OLD TABLE AS old_rows"}


def _text(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=False)


def _texts(name: str) -> sa.Column[object]:
    return sa.Column(name, postgresql.ARRAY(sa.Text()), nullable=False)


def _flag(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)


def upgrade() -> None:
    now = sa.text("clock_timestamp()")
    op.create_table(
        "trunks",
        sa.Column("id", sa.Uuid(), nullable=False),
        _text("name"),
        sa.Column("created_at", TIME, server_default=now, nullable=False),
        _texts("addresses"),
        _text("registrar"),
        _text("username"),
        sa.Column("password_sealed", sa.LargeBinary(), nullable=True),
        _text("transport"),
        _flag("srtp"),
        _texts("codecs"),
        *map(_text, ("dtmf", "number_form", "prefix", "country", "number_source")),
        _flag("trust_identity"),
        _flag("record_private"),
        _texts("media_networks"),
        _flag("rtp_symmetric"),
        _text("session_timers"),
        _flag("reliable_provisional"),
        _text("public_address"),
        sa.Column("max_calls", sa.Integer(), nullable=True),
        sa.Column("max_dialogues", sa.Integer(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("updated_at", TIME, server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("trunks_pkey")),
        sa.UniqueConstraint("name", name=op.f("trunks_name_key")),
    )
    op.create_index(op.f("trunks_created_at_id_idx"), "trunks", ["created_at", "id"])
    op.add_column(
        "access_numbers", sa.Column("trunk_ids", postgresql.ARRAY(sa.Uuid()), server_default="{}", nullable=False)
    )
    for table in BEARING:
        op.add_column(table, sa.Column("trunk_id", sa.Uuid(), nullable=True))
    for event, keys in KEYS.items():
        name = f"trunks_note_{event.lower()}"
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ "
            f"BEGIN PERFORM note_changes('trunk', ARRAY({keys})); RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER directory_news_{event.lower()} AFTER {event} ON trunks "
            f"REFERENCING {ROWS[event]} FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )


def downgrade() -> None:
    for event in KEYS:
        op.execute(f"DROP FUNCTION trunks_note_{event.lower()}() CASCADE")
    # Directories of before know no such changes: they read everything again.
    op.execute("DELETE FROM directory_changes WHERE kind = 'trunk'")
    for table in reversed(BEARING):
        op.drop_column(table, "trunk_id")
    op.drop_column("access_numbers", "trunk_ids")
    op.drop_table("trunks")
