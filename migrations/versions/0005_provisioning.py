"""Add settings and limits of tenants, API keys, known callers, refused entries, webhooks and the audit log.

A change for local directories now names the row that changed (a code, a room, an owner, a number, a known caller). So
a change of one owner is one change, however many codes it has.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TIME = sa.DateTime(timezone=True)
SHARED = "00000000-0000-0000-0000-000000000000"

# --- Changes for the local directories ---------------------------------------------------------------------------
FUNCTIONS = {
    "note_changes(what text, changed bytea[])": """
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    changes bigint := cardinality(changed);
BEGIN
    IF changes > 10000 THEN
        INSERT INTO directory_changes (number) VALUES (next_directory_numbers(1) + 1);
    ELSIF changes > 0 THEN
        INSERT INTO directory_changes (number, kind, key)
        SELECT before + place, what, key
        FROM next_directory_numbers(changes) AS before, unnest(changed) WITH ORDINALITY AS each(key, place);
    END IF;
END $$
""",
    # Each statement in it sees what was committed before the statement began. So the second one, which runs once the
    # lock is held, sees everything that earlier holders of the lock did.
    "codes_in_turn(class int, space_of uuid, account uuid, room uuid, digests bytea[])": """
RETURNS TABLE (lengths jsonb, live bytea[], closed boolean) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(class, hashtext(space_of::text));
    RETURN QUERY SELECT
        (SELECT jsonb_object_agg(length, counted.live) FROM passcode_lengths AS counted WHERE space = space_of),
        ARRAY(SELECT digest FROM passcodes WHERE state = 'live' AND digest = ANY(digests)),
        EXISTS (SELECT FROM accounts WHERE id = account AND state = 'closed') OR EXISTS (
            SELECT FROM rooms JOIN sub_accounts ON sub_accounts.id = sub_account_id
            WHERE rooms.id = room AND 'closed' IN (rooms.state, sub_accounts.state)
        );
END $$
""",
}

COUNT_COME = """
INSERT INTO passcode_lengths AS counted (space, length, live)
SELECT space, length, count(*) FROM new_rows WHERE state = 'live' GROUP BY space, length ORDER BY space, length
ON CONFLICT (space, length) DO UPDATE SET live = counted.live + EXCLUDED.live;
"""
COUNT_GONE = """
INSERT INTO passcode_lengths AS counted (space, length, live)
SELECT space, length, -count(*) FROM old_rows WHERE state = 'live' GROUP BY space, length ORDER BY space, length
ON CONFLICT (space, length) DO UPDATE SET live = counted.live + EXCLUDED.live;
"""

# Changes of uses, labels and renewed digests alone don't touch the counts of lengths, so they wait for no writer of
# codes.
COUNT_BOTH = """
INSERT INTO passcode_lengths AS counted (space, length, live)
SELECT space, length, sum(more) FROM (
    SELECT space, length, 1 AS more FROM new_rows WHERE state = 'live'
    UNION ALL SELECT space, length, -1 FROM old_rows WHERE state = 'live'
) AS each
GROUP BY space, length HAVING sum(more) <> 0 ORDER BY space, length
ON CONFLICT (space, length) DO UPDATE SET live = counted.live + EXCLUDED.live;
"""
LABEL = """
INSERT INTO sub_account_labels (sub_account_id, key, value, account_id, created_at)
SELECT new_rows.id, label.key, label.value, new_rows.account_id, new_rows.created_at
FROM new_rows, jsonb_each_text(new_rows.labels) AS label
"""
LABELLED = {
    "INSERT": f"{LABEL};",
    "UPDATE": f"""
DELETE FROM sub_account_labels USING new_rows JOIN old_rows USING (id)
WHERE sub_account_labels.sub_account_id = new_rows.id AND new_rows.labels <> old_rows.labels;
{LABEL} WHERE new_rows.labels <> (SELECT old_rows.labels FROM old_rows WHERE old_rows.id = new_rows.id);
""",  # noqa: S608  # our own names alone
    "DELETE": "",
}


def _note(what: str, key: str, rows: Sequence[str]) -> str:
    union = " UNION ".join(f"SELECT {key} FROM {name}" for name in rows)  # noqa: S608  # our own names alone
    return f"PERFORM note_changes('{what}', ARRAY({union}));"


ROWS = {"INSERT": ("new_rows",), "UPDATE": ("new_rows", "old_rows"), "DELETE": ("old_rows",)}
NOTED = {
    "passcodes": ("code", "digest"),
    "rooms": ("room", "uuid_send(id)"),
    "sub_accounts": ("sub_account", "uuid_send(id)"),
    "accounts": ("account", "uuid_send(id)"),
    "access_numbers": ("number", "convert_to(number, 'UTF8')"),
    "known_callers": ("caller", "convert_to(number, 'UTF8')"),
}
COUNTED = {"INSERT": COUNT_COME, "UPDATE": COUNT_BOTH, "DELETE": COUNT_GONE}
BEFORE_NOTING = {"passcodes": COUNTED, "sub_accounts": LABELLED}
TABLES_AS = {"INSERT": "NEW TABLE AS new_rows", "DELETE": "OLD TABLE AS old_rows"}
TABLES_AS["UPDATE"] = f"{TABLES_AS['DELETE']} {TABLES_AS['INSERT']}"

# Triggers and functions of 0003, for the downgrade.
FORMER = {
    ("passcodes", "INSERT"): "PERFORM note_digests(ARRAY(SELECT digest FROM new_rows WHERE state = 'live'));",
    ("passcodes", "UPDATE"): (
        "PERFORM note_digests(ARRAY(SELECT digest FROM new_rows UNION SELECT digest FROM old_rows));"
    ),
    ("passcodes", "DELETE"): "PERFORM note_digests(ARRAY(SELECT digest FROM old_rows WHERE state = 'live'));",
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
FORMER_FUNCTIONS = {
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
FORMER_COUNTS = {
    "INSERT": COUNT_COME.replace("space, ", ""),
    "UPDATE": (COUNT_COME + COUNT_GONE).replace("space, ", ""),
    "DELETE": COUNT_GONE.replace("space, ", ""),
}


def _trigger(table: str, event: str, body: str) -> None:
    name = f"{table}_note_{event.lower()}"
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$")
    op.execute(
        f"CREATE TRIGGER directory_news_{event.lower()} AFTER {event} ON {table} "
        f"REFERENCING {TABLES_AS[event]} FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
    )


# --- Columns ------------------------------------------------------------------------------------------------------
def _id() -> sa.Column[object]:
    return sa.Column("id", sa.Uuid(), nullable=False)


def _created(name: str = "created_at") -> sa.Column[object]:
    return sa.Column(name, TIME, server_default=sa.text("clock_timestamp()"), nullable=False)


def _text(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=False)


def _empty(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _maybe(name: str, kind: object) -> sa.Column[object]:
    return sa.Column(name, kind, nullable=True)  # type: ignore[arg-type]


def _version() -> list[sa.Column[object]]:
    return [
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("updated_at", TIME, server_default=sa.text("clock_timestamp()"), nullable=False),
    ]


def _labels() -> sa.Column[object]:
    return sa.Column("labels", postgresql.JSONB(), server_default="{}", nullable=False)


def _flag(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)


ADDED = {
    "accounts": lambda: [
        sa.Column("code_space", sa.Text(), server_default="shared", nullable=False),
        _maybe("max_callers", sa.Integer()),
        _labels(),
        *_version(),
    ],
    "sub_accounts": lambda: [
        _empty("cost_centre"),
        _maybe("max_callers", sa.Integer()),
        _flag("trust_callers"),
        _labels(),
        *_version(),
    ],
    "rooms": lambda: [
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        _maybe("max_participants", sa.Integer()),
        *_version(),
    ],
    "passcodes": lambda: [
        sa.Column("space", sa.Uuid(), server_default=SHARED, nullable=False),
        _empty("key_id"),
        _empty("label"),
        _flag("chosen"),
        _maybe("valid_from", TIME),
        _maybe("valid_until", TIME),
        _maybe("max_uses", sa.Integer()),
        sa.Column("uses", sa.BigInteger(), server_default="0", nullable=False),
        _maybe("pin_digest", sa.LargeBinary()),
        _maybe("pin_sealed", sa.LargeBinary()),
        _maybe("replaces", sa.Uuid()),
        *_version(),
    ],
    "access_numbers": lambda: [
        sa.Column("language", sa.Text(), server_default="en", nullable=False),
        _empty("greeting"),
        *_version(),
    ],
}
CHECKS = {
    "accounts": [
        ("state", "state IN ('active', 'suspended', 'closed')"),
        ("code_space", "code_space IN ('shared', 'own')"),
        ("max_callers", "max_callers > 0"),
    ],
    "sub_accounts": [
        ("state", "state IN ('active', 'suspended', 'closed')"),
        ("max_callers", "max_callers > 0"),
    ],
    "rooms": [("state", "state IN ('active', 'closed')"), ("max_participants", "max_participants > 0")],
    "passcodes": [
        ("uses", "uses >= 0"),
        ("max_uses", "max_uses > 0"),
        ("pin", "(pin_digest IS NULL) = (pin_sealed IS NULL)"),
    ],
}
# Indexes for the filters of lists, each in the order of the list.
LISTED = (
    ("sub_accounts", ("account_id", "state", "created_at", "id")),
    ("sub_accounts", ("account_id", "kind", "created_at", "id")),
    ("sub_accounts", ("account_id", "kind", "state", "created_at", "id")),
    ("passcodes", ("room_id", "state", "created_at", "id")),
    ("passcodes", ("room_id", "role", "created_at", "id")),
)


def upgrade() -> None:
    for table, added in ADDED.items():
        for column in added():
            op.add_column(table, column)
    for table, checks in CHECKS.items():
        for name, condition in checks:
            op.create_check_constraint(op.f(f"{table}_{name}_check"), table, condition)
    op.create_index(
        op.f("passcodes_key_id_id_idx"), "passcodes", ["key_id", "id"], postgresql_where=sa.text("state = 'live'")
    )
    for table, columns in LISTED:
        op.create_index(op.f(f"{table}_{'_'.join(columns)}_idx"), table, list(columns))
    _lengths_by_space()
    _tables()
    _news()


def _lengths_by_space() -> None:
    op.add_column("passcode_lengths", sa.Column("space", sa.Uuid(), server_default=SHARED, nullable=False))
    op.alter_column("passcode_lengths", "space", server_default=None)
    op.drop_constraint("passcode_lengths_pkey", "passcode_lengths", type_="primary")
    op.create_primary_key("passcode_lengths_pkey", "passcode_lengths", ["space", "length"])


def _news() -> None:
    for table, event in FORMER:
        op.execute(f"DROP FUNCTION {table}_note_{event.lower()}() CASCADE")
    for signature in FORMER_FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    op.execute("DELETE FROM directory_changes")
    op.drop_column("directory_changes", "digest")
    op.drop_column("directory_changes", "access_number")
    op.add_column("directory_changes", _maybe("kind", sa.Text()))
    op.add_column("directory_changes", _maybe("key", sa.LargeBinary()))
    # A directory that read changes of the former kind must read everything again.
    op.execute("INSERT INTO directory_changes (number) VALUES (next_directory_numbers(1) + 1)")
    for signature, body in FUNCTIONS.items():
        op.execute(f"CREATE FUNCTION {signature} {body}")
    for table, (what, key) in NOTED.items():
        for event, rows in ROWS.items():
            before = BEFORE_NOTING.get(table, {}).get(event, "")
            _trigger(table, event, before + _note(what, key, rows))


def _tables() -> None:
    op.create_table(
        "project_codes",
        _id(),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        _maybe("sub_account_id", sa.Uuid()),
        _text("code"),
        _text("name"),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        _created(),
        *_version(),
        sa.PrimaryKeyConstraint("id", name=op.f("project_codes_pkey")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("project_codes_account_id_fkey")),
        sa.ForeignKeyConstraint(
            ["account_id", "sub_account_id"],
            ["sub_accounts.account_id", "sub_accounts.id"],
            name=op.f("project_codes_account_id_sub_account_id_fkey"),
        ),
        sa.UniqueConstraint(
            "account_id",
            "sub_account_id",
            "code",
            name=op.f("project_codes_account_id_sub_account_id_code_key"),
            postgresql_nulls_not_distinct=True,
        ),
        sa.CheckConstraint("state IN ('active', 'closed')", name=op.f("project_codes_state_check")),
    )
    op.create_index(
        op.f("project_codes_account_id_created_at_id_idx"), "project_codes", ["account_id", "created_at", "id"]
    )
    op.create_index(op.f("project_codes_created_at_id_idx"), "project_codes", ["created_at", "id"])
    op.create_index(
        op.f("project_codes_sub_account_id_created_at_id_idx"), "project_codes", ["sub_account_id", "created_at", "id"]
    )
    op.create_index(
        op.f("project_codes_account_id_sub_account_id_created_at_id_idx"),
        "project_codes",
        ["account_id", "sub_account_id", "created_at", "id"],
    )
    op.create_table(
        "sub_account_labels",
        sa.Column("sub_account_id", sa.Uuid(), nullable=False),
        _text("key"),
        _text("value"),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("sub_account_id", "key", name=op.f("sub_account_labels_pkey")),
        sa.ForeignKeyConstraint(
            ["sub_account_id"],
            ["sub_accounts.id"],
            name=op.f("sub_account_labels_sub_account_id_fkey"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "sub_account_labels_listed_idx",
        "sub_account_labels",
        ["account_id", "key", "value", "created_at", "sub_account_id"],
    )
    op.create_table(
        "known_callers",
        _id(),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("sub_account_id", sa.Uuid(), nullable=False),
        sa.Column("room_id", sa.Uuid(), nullable=False),
        _text("number"),
        _text("name"),
        _flag("skips_code"),
        _created(),
        _maybe("removed_at", TIME),
        *_version(),
        sa.PrimaryKeyConstraint("id", name=op.f("known_callers_pkey")),
        sa.ForeignKeyConstraint(
            ["account_id", "sub_account_id"],
            ["sub_accounts.account_id", "sub_accounts.id"],
            name=op.f("known_callers_account_id_sub_account_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id", "room_id"],
            ["rooms.account_id", "rooms.id"],
            name=op.f("known_callers_account_id_room_id_fkey"),
        ),
    )
    op.create_index(
        "known_callers_known_number_key",
        "known_callers",
        ["sub_account_id", "number"],
        unique=True,
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_index(op.f("known_callers_number_idx"), "known_callers", ["number"])
    op.create_index(
        op.f("known_callers_sub_account_id_created_at_id_idx"), "known_callers", ["sub_account_id", "created_at", "id"]
    )
    op.create_table(
        "api_keys",
        _id(),
        _text("scope"),
        _maybe("account_id", sa.Uuid()),
        _maybe("sub_account_id", sa.Uuid()),
        _text("name"),
        _flag("read_only"),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        _text("hint"),
        _maybe("expires_at", TIME),
        _maybe("last_used_at", TIME),
        _maybe("revoked_at", TIME),
        _maybe("replaces", sa.Uuid()),
        _created(),
        sa.PrimaryKeyConstraint("id", name=op.f("api_keys_pkey")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("api_keys_account_id_fkey")),
        sa.ForeignKeyConstraint(
            ["account_id", "sub_account_id"],
            ["sub_accounts.account_id", "sub_accounts.id"],
            name=op.f("api_keys_account_id_sub_account_id_fkey"),
        ),
        sa.UniqueConstraint("digest", name=op.f("api_keys_digest_key")),
        sa.CheckConstraint(
            "(scope = 'operator' AND account_id IS NULL AND sub_account_id IS NULL)"
            " OR (scope = 'account' AND account_id IS NOT NULL AND sub_account_id IS NULL)"
            " OR (scope = 'sub_account' AND account_id IS NOT NULL AND sub_account_id IS NOT NULL)",
            name=op.f("api_keys_scope_check"),
        ),
    )
    op.create_index(op.f("api_keys_account_id_created_at_id_idx"), "api_keys", ["account_id", "created_at", "id"])
    op.create_index(op.f("api_keys_created_at_id_idx"), "api_keys", ["created_at", "id"])
    op.create_table(
        "audit_log",
        _id(),
        _created(),
        _text("actor"),
        _text("scope"),
        _text("remote"),
        _text("action"),
        _text("subject"),
        _maybe("subject_id", sa.Uuid()),
        _maybe("account_id", sa.Uuid()),
        _maybe("sub_account_id", sa.Uuid()),
        sa.Column("detail", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_log_pkey")),
    )
    op.create_index(op.f("audit_log_created_at_id_idx"), "audit_log", ["created_at", "id"])
    op.create_index(op.f("audit_log_account_id_created_at_id_idx"), "audit_log", ["account_id", "created_at", "id"])
    op.create_table(
        "idempotency_keys",
        _text("owner"),
        _text("key"),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        _created(),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("idempotency_keys_pkey")),
    )
    op.create_index(op.f("idempotency_keys_created_at_idx"), "idempotency_keys", ["created_at"])
    op.create_table(
        "admission_attempts",
        _id(),
        sa.Column("created_at", TIME, nullable=False),
        _text("node"),
        _text("uniqueid"),
        _text("caller"),
        _text("access_number"),
        _text("trunk"),
        _text("reason"),
        _maybe("account_id", sa.Uuid()),
        _maybe("sub_account_id", sa.Uuid()),
        _maybe("passcode_id", sa.Uuid()),
        sa.PrimaryKeyConstraint("id", name=op.f("admission_attempts_pkey")),
    )
    op.create_index(op.f("admission_attempts_created_at_id_idx"), "admission_attempts", ["created_at", "id"])
    op.create_index(
        op.f("admission_attempts_account_id_created_at_id_idx"),
        "admission_attempts",
        ["account_id", "created_at", "id"],
    )
    op.create_table(
        "passcode_uses",
        _id(),
        sa.Column("passcode_id", sa.Uuid(), nullable=False),
        _text("uniqueid"),
        sa.Column("used_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("passcode_uses_pkey")),
    )
    op.create_index(op.f("passcode_uses_passcode_id_idx"), "passcode_uses", ["passcode_id"])
    op.create_table(
        "webhooks",
        _id(),
        _maybe("account_id", sa.Uuid()),
        _text("url"),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        _empty("label"),
        _created(),
        *_version(),
        sa.PrimaryKeyConstraint("id", name=op.f("webhooks_pkey")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("webhooks_account_id_fkey")),
        sa.CheckConstraint("state IN ('active', 'paused')", name=op.f("webhooks_state_check")),
    )
    op.create_index(op.f("webhooks_account_id_created_at_id_idx"), "webhooks", ["account_id", "created_at", "id"])
    op.create_index(op.f("webhooks_created_at_id_idx"), "webhooks", ["created_at", "id"])
    op.create_table(
        "webhook_deliveries",
        _id(),
        sa.Column("number", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        _text("event"),
        _text("lane"),
        sa.Column("payload", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_at", TIME, server_default=sa.text("clock_timestamp()"), nullable=False),
        _maybe("status", sa.SmallInteger()),
        _empty("error"),
        _maybe("delivered_at", TIME),
        _created(),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_deliveries_pkey")),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f("webhook_deliveries_webhook_id_fkey"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name=op.f("webhook_deliveries_state_check")),
    )
    op.create_index(
        "webhook_deliveries_pending_idx",
        "webhook_deliveries",
        ["webhook_id", "lane", "number"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "webhook_deliveries_due_idx",
        "webhook_deliveries",
        ["webhook_id", "next_at", "number"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        op.f("webhook_deliveries_webhook_id_created_at_id_idx"),
        "webhook_deliveries",
        ["webhook_id", "created_at", "id"],
    )
    op.create_index(op.f("webhook_deliveries_created_at_idx"), "webhook_deliveries", ["created_at"])


NEW_TABLES = (
    "webhook_deliveries",
    "webhooks",
    "passcode_uses",
    "admission_attempts",
    "idempotency_keys",
    "audit_log",
    "api_keys",
    "known_callers",
    "sub_account_labels",
    "project_codes",
)


def downgrade() -> None:
    for table in NOTED:
        for event in ROWS:
            op.execute(f"DROP FUNCTION {table}_note_{event.lower()}() CASCADE")
    for signature in FUNCTIONS:
        op.execute(f"DROP FUNCTION {signature}")
    for table in NEW_TABLES:
        op.drop_table(table)
    op.execute("DELETE FROM directory_changes")
    op.drop_column("directory_changes", "kind")
    op.drop_column("directory_changes", "key")
    op.add_column("directory_changes", _maybe("digest", sa.LargeBinary()))
    op.add_column("directory_changes", _maybe("access_number", sa.Text()))
    op.execute("INSERT INTO directory_changes (number) VALUES (next_directory_numbers(1) + 1)")
    # The former schema counts the codes of shared numbers alone.
    op.execute(f"DELETE FROM passcode_lengths WHERE space <> '{SHARED}'")  # noqa: S608
    op.drop_constraint("passcode_lengths_pkey", "passcode_lengths", type_="primary")
    op.drop_column("passcode_lengths", "space")
    op.create_primary_key("passcode_lengths_pkey", "passcode_lengths", ["length"])
    op.drop_index("passcodes_key_id_id_idx", "passcodes")
    for listed, columns in LISTED:
        op.drop_index(f"{listed}_{'_'.join(columns)}_idx", listed)
    for table, checks in CHECKS.items():
        for name, _ in checks:
            op.drop_constraint(op.f(f"{table}_{name}_check"), table, type_="check")
    for table, added in ADDED.items():
        for column in reversed(added()):
            op.drop_column(table, column.name)
    for signature, body in FORMER_FUNCTIONS.items():
        op.execute(f"CREATE FUNCTION {signature} {body}")
    for (table, event), body in FORMER.items():
        _trigger(table, event, (FORMER_COUNTS[event] if table == "passcodes" else "") + body)
