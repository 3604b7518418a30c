"""Alembic's environment: runs on the connection that bridge.storage.postgres.migration hands over."""

import re

from alembic import context
from sqlalchemy.sql.schema import SchemaItem

from bridge.storage.postgres.tables import schema

_MONTH = re.compile(rf"({'|'.join(table.name for table in schema.LEDGER)})_\d{{4}}_\d{{2}}")


def is_ours(item: SchemaItem, name: str | None, kind: str, reflected: bool, counterpart: SchemaItem | None) -> bool:
    """Return False for partitions of the ledger: they are created while the product runs, and are no part of the
    schema."""
    return not (kind == "table" and reflected and _MONTH.fullmatch(name or ""))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata,
    include_object=is_ours,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
