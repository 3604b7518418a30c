"""Partition the ledger by month, each created when first needed, and refuse updates and deletions by triggers."""

from collections.abc import Sequence

from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

LEDGER = {"calls": "started_at", "minute_records": "joined_at", "charges": "joined_at"}
UNCHANGING = (*LEDGER, "tariff_versions")

REFUSE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: correct by a new row', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""

# The month is created as a table of its own and then attached: creating it as a partition would block readers and
# writers of the whole ledger.
ENSURE_MONTH = """
CREATE FUNCTION ensure_ledger_month(month date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    whole text;
    part text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ensure_ledger_month'));
    FOREACH whole IN ARRAY ARRAY['calls', 'minute_records', 'charges'] LOOP
        part := whole || to_char(month, '_YYYY_MM');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, whole);
        EXECUTE format('CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON %I EXECUTE FUNCTION refuse_change()', part);
        EXECUTE format(
            'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', whole, part,
            to_char(month, 'YYYY-MM-01 00:00:00+00'), to_char(month + interval '1 month', 'YYYY-MM-01 00:00:00+00')
        );
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.execute(REFUSE)
    for table in UNCHANGING:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    op.execute(ENSURE_MONTH)


def downgrade() -> None:
    op.execute("DROP FUNCTION ensure_ledger_month(date)")
    op.execute("DROP FUNCTION refuse_change() CASCADE")
