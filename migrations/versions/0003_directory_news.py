"""Number and notify every change that decides whom a code admits, so that local directories can follow.

A notification is lost with its connection. The numbers let a directory see what it missed.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

# A sequence would leave gaps, and its numbers could become visible out of order. This counter is a row that stays
# locked until the commit: numbers become visible in their order, without gaps. The price: writers of passcodes take
# turns.
FUNCTIONS = {
    "next_directory_numbers(changes bigint)": """
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    last bigint;
BEGIN
    UPDATE directory_state SET number = number + changes RETURNING number INTO last;
    PERFORM pg_notify('bridge_directory', last::text);
    RETURN last - changes;
END $$
""",
    "note_digests(changed bytea[])": """
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    changes bigint := cardinality(changed);
BEGIN
    IF changes > 10000 THEN
        INSERT INTO directory_changes (number) VALUES (next_directory_numbers(1) + 1);
    ELSIF changes > 0 THEN
        INSERT INTO directory_changes (number, digest)
        SELECT before + place, digest
        FROM next_directory_numbers(changes) AS before, unnest(changed) WITH ORDINALITY AS each(digest, place);
    END IF;
END $$
""",
    "note_access_numbers(changed text[])": """
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    changes bigint := cardinality(changed);
BEGIN
    IF changes > 0 THEN
        INSERT INTO directory_changes (number, access_number)
        SELECT before + place, number
        FROM next_directory_numbers(changes) AS before, unnest(changed) WITH ORDINALITY AS each(number, place);
    END IF;
END $$
""",
}

COUNT_COME = """
INSERT INTO passcode_lengths AS counted (length, live)
SELECT length, count(*) FROM new_rows WHERE state = 'live' GROUP BY length ORDER BY length
ON CONFLICT (length) DO UPDATE SET live = counted.live + EXCLUDED.live;
"""
COUNT_GONE = """
INSERT INTO passcode_lengths AS counted (length, live)
SELECT length, -count(*) FROM old_rows WHERE state = 'live' GROUP BY length ORDER BY length
ON CONFLICT (length) DO UPDATE SET live = counted.live + EXCLUDED.live;
"""
NOTE_COME = "PERFORM note_digests(ARRAY(SELECT digest FROM new_rows WHERE state = 'live'));"
NOTE_GONE = "PERFORM note_digests(ARRAY(SELECT digest FROM old_rows WHERE state = 'live'));"
NOTE_BOTH = "PERFORM note_digests(ARRAY(SELECT digest FROM new_rows UNION SELECT digest FROM old_rows));"

# Triggers after each statement, with the rows as they were (old_rows) and as they are (new_rows).
TRIGGERS = {
    ("passcodes", "INSERT"): "\n".join((COUNT_COME, NOTE_COME)),
    ("passcodes", "UPDATE"): "\n".join((COUNT_COME, COUNT_GONE, NOTE_BOTH)),
    ("passcodes", "DELETE"): "\n".join((COUNT_GONE, NOTE_GONE)),
    ("rooms", "UPDATE"): """
    PERFORM note_digests(ARRAY(
        SELECT passcodes.digest FROM passcodes JOIN new_rows ON new_rows.id = passcodes.room_id
        WHERE passcodes.state = 'live'
    ));
""",
    ("sub_accounts", "UPDATE"): """
    PERFORM note_digests(ARRAY(
        SELECT passcodes.digest
        FROM new_rows
        JOIN old_rows USING (id)
        JOIN rooms ON rooms.sub_account_id = new_rows.id
        JOIN passcodes ON passcodes.room_id = rooms.id
        WHERE passcodes.state = 'live' AND new_rows.state <> old_rows.state
    ));
""",
    ("accounts", "UPDATE"): """
    PERFORM note_digests(ARRAY(
        SELECT passcodes.digest
        FROM new_rows
        JOIN old_rows USING (id)
        JOIN rooms ON rooms.account_id = new_rows.id
        JOIN passcodes ON passcodes.room_id = rooms.id
        WHERE passcodes.state = 'live' AND new_rows.state <> old_rows.state
    ));
""",
    ("access_numbers", "INSERT"): "PERFORM note_access_numbers(ARRAY(SELECT number FROM new_rows));",
    ("access_numbers", "UPDATE"): (
        "PERFORM note_access_numbers(ARRAY(SELECT number FROM new_rows UNION SELECT number FROM old_rows));"
    ),
    ("access_numbers", "DELETE"): "PERFORM note_access_numbers(ARRAY(SELECT number FROM old_rows));",
}
ROWS = {"INSERT": "NEW TABLE AS new_rows", "DELETE": "OLD TABLE AS old_rows"}
ROWS["UPDATE"] = f"{ROWS['DELETE']} {ROWS['INSERT']}"


def upgrade() -> None:
    op.execute("INSERT INTO directory_state (id, number) VALUES (1, 0)")
    for signature, body in FUNCTIONS.items():
        op.execute(f"CREATE FUNCTION {signature} {body}")
    for (table, event), body in TRIGGERS.items():
        name = f"{table}_note_{event.lower()}"
        op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$")
        op.execute(
            f"CREATE TRIGGER directory_news_{event.lower()} AFTER {event} ON {table} "
            f"REFERENCING {ROWS[event]} FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
        )


def downgrade() -> None:
    for table, event in TRIGGERS:
        op.execute(f"DROP FUNCTION {table}_note_{event.lower()}() CASCADE")
    for signature in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {signature}")
    op.execute("DELETE FROM directory_state")
