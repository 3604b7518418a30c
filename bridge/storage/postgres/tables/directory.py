"""Tables that local directories follow: which changes there were, in order of commit."""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, LargeBinary, SmallInteger, Table, Text, Uuid, func

from bridge.storage.postgres.tables import columns

# One row: `number` is that of the last change, `database_id` identifies this database. A directory that followed
# another database, or a backup of this one, reads everything again. `key_check` is the check value of the key that
# passcodes are kept under; null before the first start of a daemon.
directory_state: Final = Table(
    "directory_state",
    columns.metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("database_id", Uuid, nullable=False, server_default=func.gen_random_uuid()),
    columns.count("number"),
    Column("key_check", LargeBinary),
    CheckConstraint("id = 1", "id"),
)

# Numbers have no gaps and come in order of commit. Each says which row changed: a code (`key` is its digest), a room,
# sub_account or account (the id's 16 bytes), a number or a known caller (the number). With both null, so much changed
# that everything has to be read again.
directory_changes: Final = Table(
    "directory_changes",
    columns.metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text),
    Column("key", LargeBinary),
    Column("changed_at", columns.TIME, nullable=False, server_default=func.now()),
)
