"""Refused entries in memory. tests/contracts/admission holds it to what the real one does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from bridge.domain.admission.refusal import RefusedEntry
from bridge.domain.errors import Unavailable
from bridge.usecases.admission.ports import RefusedEntryFilter


@dataclass
class FakeRefusedEntries:
    """Implements admission_ports.RefusedEntries."""

    entries: dict[UUID, RefusedEntry] = field(default_factory=dict)
    away: bool = False

    async def add(self, attempts: Sequence[RefusedEntry]) -> None:
        self._check()
        for one in attempts:
            self.entries.setdefault(one.id, one)

    async def page(
        self, wanted: RefusedEntryFilter, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> Sequence[RefusedEntry]:
        self._check()
        ordered = sorted(self.entries.values(), key=lambda one: (one.created_at, one.id))
        later = [one for one in ordered if after is None or (one.created_at, one.id) > after]
        return [one for one in later if _matches(one, wanted)][:limit]

    async def prune(self, before: datetime) -> None:
        self._check()
        self.entries = {id: one for id, one in self.entries.items() if one.created_at >= before}

    def _check(self) -> None:
        if self.away:
            raise Unavailable("Postgres is away")


def _matches(one: RefusedEntry, wanted: RefusedEntryFilter) -> bool:
    equal = (
        (wanted.account_id, one.account_id),
        (wanted.access_number, one.access_number),
        (wanted.reason, one.reason),
    )
    return (
        all(condition in (None, value) for condition, value in equal)
        and (wanted.callers is None or one.caller in wanted.callers)
        and (wanted.since is None or one.created_at >= wanted.since)
        and (wanted.until is None or one.created_at < wanted.until)
    )
