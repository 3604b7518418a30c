"""Which rows of the ledger count: a record that was corrected stays, and the one that corrects it counts instead."""

from typing import Any

from sqlalchemy import ColumnElement, and_, not_, select

from bridge.domain.metering.records import Reason
from bridge.storage.postgres.tables.billing import charges
from bridge.storage.postgres.tables.metering import minute_records

_later = minute_records.alias("later")


def record(at: Any) -> ColumnElement[bool]:
    """Whether nothing corrects the minute record with the columns `at`."""
    # Said twice, so that the index of corrections serves, which is small, however large the ledger.
    corrected = select(_later.c.id).where(_later.c.corrects == at.id, _later.c.corrects.is_not(None))
    return not_(corrected.exists())


def stay(at: Any) -> ColumnElement[bool]:
    """Whether the minute record with the columns `at` counts, and says that there was a stay."""
    return and_(record(at), at.left_reason != Reason.NOT_IN_JOURNAL.value)


def charged(at: Any) -> ColumnElement[bool]:
    """On which charge the minute record with the columns `at` is joined to: its own, not one that takes it back."""
    own = charges.c
    return and_(own.minute_record_id == at.id, own.joined_at == at.joined_at, own.reverses.is_(None))
