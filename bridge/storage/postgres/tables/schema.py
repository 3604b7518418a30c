"""The whole schema, as Alembic needs it: importing this module registers every table in `metadata`."""

from typing import Final

from bridge.storage.postgres.tables import access, admission, billing, directory, metering, provisioning, webhooks
from bridge.storage.postgres.tables.columns import metadata

__all__ = ["LEDGER", "SUBJECTS", "metadata"]

SUBJECTS: Final = (provisioning, directory, access, admission, webhooks, metering, billing)
LEDGER: Final = (metering.calls, metering.minute_records, billing.charges)
"""The tables that are partitioned by month."""
