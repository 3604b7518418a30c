"""Add quotas of accounts with counts of what they limit, and count the chosen codes that accounts try."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

QUOTAS = {
    "max_sub_accounts": "1000",
    "max_rooms": "2000",
    "max_passcodes": "5000",
    "max_known_callers": "1000",
    "max_webhooks": "20",
}
# Which rows of a table count. Rooms of a closed sub-account do not.
COUNTED = {
    "sub_accounts": "state <> 'closed'",
    "rooms": "state = 'active' AND EXISTS (SELECT FROM sub_accounts "
    "WHERE sub_accounts.id = sub_account_id AND sub_accounts.state <> 'closed')",
    "passcodes": "state = 'live'",
    "known_callers": "removed_at IS NULL",
}
ROWS = {"INSERT": {"new_rows": 1}, "UPDATE": {"new_rows": 1, "old_rows": -1}, "DELETE": {"old_rows": -1}}
REFERENCES = {"new_rows": "NEW TABLE AS new_rows", "old_rows": "OLD TABLE AS old_rows"}
ADD = """
INSERT INTO account_usage AS kept (account_id, quota, used)
SELECT account_id, '{quota}', sum(more) FROM ({rows}) AS each
GROUP BY account_id HAVING sum(more) <> 0 ORDER BY account_id
ON CONFLICT (account_id, quota) DO UPDATE SET used = kept.used + EXCLUDED.used;
"""
# A closed sub-account takes its rooms out of the count.
ROOMS_OF_CHANGED = """
SELECT rooms.account_id, (new_rows.state <> 'closed')::int - (old_rows.state <> 'closed')::int AS more
FROM new_rows JOIN old_rows USING (id) JOIN rooms ON rooms.sub_account_id = new_rows.id
WHERE rooms.state = 'active' AND (new_rows.state = 'closed') <> (old_rows.state = 'closed')
"""


def upgrade() -> None:
    for name, most in QUOTAS.items():
        op.add_column("accounts", sa.Column(name, sa.Integer(), server_default=most, nullable=True))
    op.create_table(
        "account_usage",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("quota", sa.Text(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "quota", name=op.f("account_usage_pkey")),
    )
    op.create_table(
        "chosen_code_tries",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("chosen_code_tries_pkey")),
    )
    for table, condition in COUNTED.items():
        op.execute(ADD.format(quota=table, rows=_counted(table, condition, 1)))
        for event, rows in ROWS.items():
            changed = " UNION ALL ".join(_counted(name, condition, more) for name, more in rows.items())
            body = ADD.format(quota=table, rows=changed)
            if (table, event) == ("sub_accounts", "UPDATE"):
                body += ADD.format(quota="rooms", rows=ROOMS_OF_CHANGED)
            _trigger(table, event, body)


def downgrade() -> None:
    for table in COUNTED:
        for event in ROWS:
            op.execute(f"DROP FUNCTION {table}_usage_{event.lower()}() CASCADE")
    op.drop_table("chosen_code_tries")
    op.drop_table("account_usage")
    for name in reversed(QUOTAS):
        op.drop_column("accounts", name)


def _counted(rows: str, condition: str, more: int) -> str:
    return f"SELECT account_id, {more} AS more FROM {rows} WHERE {condition}"  # noqa: S608  # our own names alone


def _trigger(table: str, event: str, body: str) -> None:
    """Triggers fire in the order of their names: this one after `directory_news_…`."""
    function, referencing = f"{table}_usage_{event.lower()}", " ".join(REFERENCES[name] for name in ROWS[event])
    op.execute(f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$")
    op.execute(
        f"CREATE TRIGGER usage_{event.lower()} AFTER {event} ON {table} "
        f"REFERENCING {referencing} FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
    )
