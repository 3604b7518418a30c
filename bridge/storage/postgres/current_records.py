"""Conditions for the rows of the ledger that count: a corrected record stays, but its correction counts instead."""

from typing import Any

from sqlalchemy import ColumnElement, and_, not_, select

from bridge.domain.metering.records import Reason
from bridge.storage.postgres.tables.billing import charges
from bridge.storage.postgres.tables.metering import minute_records

_later = minute_records.alias("later")


def record(at: Any) -> ColumnElement[bool]:
    """Return the condition that no other record corrects the minute record with the columns `at`."""
    # The second condition is that of the partial index of corrections, so that Postgres uses it: the index stays small
    # however large the ledger grows.
    corrected = select(_later.c.id).where(_later.c.corrects == at.id, _later.c.corrects.is_not(None))
    return not_(corrected.exists())


def stay(at: Any) -> ColumnElement[bool]:
    """Return the condition that the minute record with the columns `at` counts, and is one of a stay that took
    place."""
    return and_(record(at), at.left_reason != Reason.NOT_IN_JOURNAL.value)


def charged(at: Any) -> ColumnElement[bool]:
    """Return the condition of a join with the charge of the minute record `at`, leaving out charges that reverse
    one."""
    own = charges.c
    return and_(own.minute_record_id == at.id, own.joined_at == at.joined_at, own.reverses.is_(None))
