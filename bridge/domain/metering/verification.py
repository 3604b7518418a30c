"""The journal against the ledger: what the fold makes of a period, beside the rows that count.

Both sides are given piece by piece, in any order, and what agrees is forgotten at once: only what has not found its
other half is kept, however long the period.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from bridge.domain.metering.records import Call, MinuteRecord, OpenCall, OpenStay, Reason, clean

MARGIN_US: Final = 600_000_000
"""Both sides are given from so long before a period up to so long after it, so that its edges find their other half."""
KEY_OF_STAY: Final = 3
TAIL_US: Final = 60_000_000
"""What began so shortly before the end of the journal may have been committed since that was read."""

JournalEntry = MinuteRecord | Call | OpenStay | OpenCall
"""What the journal says: a stay or a call, over or open."""
Value = str | int | None


class EntryKind(StrEnum):
    """What is compared."""

    STAY = "stay"
    CALL = "call"


class Verdict(StrEnum):
    """How the two differ."""

    MISSING = "missing"
    """The journal has it, the ledger does not."""
    NOT_IN_JOURNAL = "not_in_journal"
    """The ledger has it, and the journal of that whole time does not."""
    DIFFERS = "differs"
    OPEN_IN_JOURNAL = "open_in_journal"
    """The ledger has closed what goes on."""
    OPEN_IN_LEDGER = "open_in_ledger"
    """The ledger holds open what is over, or never was."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What the ledger has of a stay or a call: the row that counts. `root` is the id of the row that its corrections
    go back to. `end_us` is None while it is open; `fields` are as of `fields_of`."""

    kind: EntryKind
    id: UUID
    root: UUID
    key: tuple[str, ...]
    at_us: int
    end_us: int | None
    fields: Mapping[str, Value]
    open: bool = False


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One thing that is told differently. Names that end in `_at` are instants, in µs since 1970."""

    name: str
    journal: Value
    ledger: Value


@dataclass(frozen=True, slots=True)
class Difference:
    """One stay or call on which the two don't agree. At least one side is there."""

    verdict: Verdict
    journal: JournalEntry | None
    ledger: LedgerEntry | None
    fields: tuple[FieldDifference, ...] = ()

    @property
    def kind(self) -> EntryKind:
        if self.ledger is not None:
            return self.ledger.kind
        return EntryKind.STAY if isinstance(self.journal, MinuteRecord | OpenStay) else EntryKind.CALL

    @property
    def id(self) -> UUID:
        """The id of the ledger's row, or the one that it would have."""
        if self.ledger is not None:
            return self.ledger.id
        assert self.journal is not None
        return root_of(self.journal)

    @property
    def at_us(self) -> int:
        """When it began."""
        if self.journal is not None:
            return began_us(self.journal)
        assert self.ledger is not None
        return self.ledger.at_us

    @property
    def unmendable(self) -> str:
        """Why no row can mend it, empty if one can."""
        if self.verdict is Verdict.OPEN_IN_JOURNAL:
            return "goes on: verify again once it is over"
        if self.kind is EntryKind.CALL and self.verdict in (Verdict.DIFFERS, Verdict.NOT_IN_JOURNAL):
            return "calls have no corrections: they are not billed"
        return ""


@dataclass(frozen=True, slots=True)
class JournalCoverage:
    """The journal that was read, in µs: from `since_us` on up to `until_us`, but for `holes` (garbage, lines that are
    missing, silence) in which anything may have been."""

    since_us: int
    until_us: int
    holes: Sequence[tuple[int, int]] = ()

    def covers(self, since_us: int, until_us: int) -> bool:
        """Whether the journal of this whole span was read."""
        if since_us < self.since_us or max(since_us, until_us) > self.until_us:
            return False
        return not any(first <= until_us and since_us <= last for first, last in self.holes)


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome. `stays` and `calls` count what the journal has of the period; `uncovered` what only the ledger has,
    of times whose journal is not there any more, or not whole. `extent` is None when there is no journal at all."""

    differences: Sequence[Difference]
    stays: int
    calls: int
    uncovered: int
    extent: JournalCoverage | None

    @property
    def agreed(self) -> bool:
        return not self.differences


@dataclass(frozen=True, slots=True)
class Span:
    """A period: [since, until), in µs; None is without bound."""

    since_us: int | None = None
    until_us: int | None = None

    def holds(self, at_us: int) -> bool:
        return (self.since_us is None or self.since_us <= at_us) and (self.until_us is None or at_us < self.until_us)

    @property
    def widened(self) -> "Span":
        """The same with MARGIN_US on either side."""
        return Span(
            None if self.since_us is None else self.since_us - MARGIN_US,
            None if self.until_us is None else self.until_us + MARGIN_US,
        )


class Comparison:
    """The two sides so far."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._wide = span.widened
        self._journal: dict[UUID, JournalEntry] = {}
        self._ledger: dict[UUID, list[LedgerEntry]] = defaultdict(list)
        self._differing: list[Difference] = []
        self._counted = dict.fromkeys(EntryKind, 0)

    def journal(self, told: JournalEntry) -> None:
        """A stay or call that is over, as the fold makes it. Once each."""
        if not self._wide.holds(began_us(told)):
            return
        self._count(told)
        root = root_of(told)
        kept = self._ledger.get(root)
        if kept:
            self._meet(told, kept.pop(0))
            if not kept:
                del self._ledger[root]
        else:
            self._journal[root] = told

    def ledger(self, kept: LedgerEntry) -> None:
        """A row that is over and counts. Once each."""
        told = self._journal.pop(kept.root, None)
        if told is not None:
            self._meet(told, kept)
        else:
            self._ledger[kept.root].append(kept)

    def finish(
        self, going: Iterable[JournalEntry], open_rows: Iterable[LedgerEntry], extent: JournalCoverage, uncovered: int
    ) -> Verification:
        """The outcome: given what is open, in the fold at the end of the journal and in the ledger as of that place in
        it, and how many rows of the period were left out, since they are from before the journal."""
        self._compare_open([told for told in going if self._wide.holds(began_us(told))], list(open_rows))
        self._match_by_key(extent)
        for told in self._journal.values():
            self._differing.append(Difference(Verdict.MISSING, told, None))
        for kept in (row for rows in self._ledger.values() for row in rows):
            verdict = self._alone(kept, extent)
            if verdict is not None:
                self._differing.append(Difference(verdict, None, kept))
            elif _said_to_be(kept) and self._span.holds(kept.at_us) and kept.at_us < extent.until_us - TAIL_US:
                uncovered += 1
        found = sorted(filter(self._within, self._differing), key=lambda one: (one.at_us, one.id))
        return Verification(found, self._counted[EntryKind.STAY], self._counted[EntryKind.CALL], uncovered, extent)

    # --- Pairs --------------------------------------------------------------------------------------------------------
    def _meet(self, told: JournalEntry, kept: LedgerEntry) -> None:
        if isinstance(told, OpenStay | OpenCall):
            self._differing.append(Difference(Verdict.OPEN_IN_JOURNAL, told, kept))
            return
        said = fields_of(told)
        unlike = tuple(
            FieldDifference(name, said[name], kept.fields.get(name))
            for name in said
            if said[name] != kept.fields.get(name)
        )
        if unlike:
            self._differing.append(Difference(Verdict.DIFFERS, told, kept, unlike))

    def _compare_open(self, going: Sequence[JournalEntry], open_rows: Sequence[LedgerEntry]) -> None:
        held = {kept.root: kept for kept in open_rows}
        for told in going:
            kept = held.get(root_of(told)) or next((row for row in held.values() if _alike(_key(told), row.key)), None)
            if kept is None:
                self.journal(told)
            else:
                self._count(told)
                del held[kept.root]
                self._ledger.pop(kept.root, None)  # closed since
        for root, kept in held.items():
            over = self._journal.pop(root, None)
            if over is not None:
                self._differing.append(Difference(Verdict.OPEN_IN_LEDGER, over, kept))
            else:
                self._ledger[root].append(kept)

    def _match_by_key(self, extent: JournalCoverage) -> None:
        """What has other ids, since the two say differently when it began, or one does not know in which bridge: the
        same channel and room, nearest first."""
        lone: dict[tuple[str, ...], list[JournalEntry]] = defaultdict(list)
        for told in self._journal.values():
            lone[_key(told)[:2]].append(told)
        pairs = [
            (abs(began_us(told) - kept.at_us), root_of(told), told, kept)
            for rows in self._ledger.values()
            for kept in rows
            if not kept.open and _said_to_be(kept)
            for told in lone.get(kept.key[:2], ())
            if _alike(_key(told), kept.key)
        ]
        for _, root, told, kept in sorted(pairs, key=lambda pair: (pair[0], pair[1])):
            rows = self._ledger.get(kept.root, [])
            if root not in self._journal or kept not in rows:
                continue
            del self._journal[root]
            rows.remove(kept)
            # One that began before the journal did is known better by the ledger.
            if kept.at_us >= extent.since_us:
                self._meet(told, kept)

    # --- What is alone ------------------------------------------------------------------------------------------------
    def _alone(self, kept: LedgerEntry, extent: JournalCoverage) -> Verdict | None:
        """What is wrong with a row that the journal does not have; None when nobody can say, or nothing is."""
        if not _said_to_be(kept) or kept.at_us >= extent.until_us - TAIL_US:
            return None
        if kept.open:
            return Verdict.OPEN_IN_LEDGER if extent.covers(kept.at_us, extent.until_us) else None
        assert kept.end_us is not None
        return Verdict.NOT_IN_JOURNAL if extent.covers(kept.at_us, kept.end_us) else None

    def _within(self, one: Difference) -> bool:
        began = [began_us(one.journal)] if one.journal is not None else []
        began += [one.ledger.at_us] if one.ledger is not None else []
        return any(map(self._span.holds, began))

    def _count(self, told: JournalEntry) -> None:
        if self._span.holds(began_us(told)):
            self._counted[EntryKind.STAY if isinstance(told, MinuteRecord | OpenStay) else EntryKind.CALL] += 1


def root_of(told: JournalEntry) -> UUID:
    """The id of its row in the ledger, before any correction."""
    match told:
        case MinuteRecord():
            return told.stay.identity.id
        case OpenStay():
            return told.identity.id
        case Call():
            return told.call.id
        case OpenCall():
            return told.id


def began_us(told: JournalEntry) -> int:
    """When a stay was joined, or a call came."""
    match told:
        case MinuteRecord():
            return told.stay.identity.joined_us
        case OpenStay():
            return told.identity.joined_us
        case Call():
            return told.call.started_us
        case OpenCall():
            return told.started_us


def fields_of(told: MinuteRecord | Call) -> dict[str, Value]:
    """All that the two sides must agree on."""
    match told:
        case MinuteRecord(stay=stay):
            return {
                "joined_at": stay.identity.joined_us,
                "left_at": told.left_us,
                "duration_us": told.duration_us,
                "left_reason": told.reason.value,
                "evidence": told.evidence.value,
                "error_bound_us": told.error_bound_us,
                "room": stay.room,
                "account_id": stay.account_id,
                "sub_account_id": stay.sub_account_id,
                "passcode_id": stay.passcode_id,
                "role": stay.role,
                "project_code": stay.project_code,
                "caller": clean(stay.caller),
                "access_number": clean(stay.access_number),
            }
        case Call(call=call):
            return {
                "started_at": call.started_us,
                "answered_at": call.answered_us,
                "ended_at": told.ended_us,
                "duration_us": told.ended_us - call.started_us,
                "outcome": call.outcome.value,
                "evidence": told.evidence.value,
                "caller": clean(call.caller),
                "access_number": clean(call.access_number),
                "sip_call_id": clean(call.sip_call_id),
            }


def merged(holes: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same spans, in order, none touching another."""
    last: tuple[int, int] | None = None
    for first, end in sorted(holes):
        if last is None or first > last[1]:
            if last is not None:
                yield last
            last = (first, end)
        else:
            last = (last[0], max(last[1], end))
    if last is not None:
        yield last


def _key(told: JournalEntry) -> tuple[str, ...]:
    match told:
        case MinuteRecord(stay=stay):
            return _key(stay)
        case OpenStay(identity=identity):
            return (identity.node, identity.uniqueid, told.bridge_id)
        case Call(call=call):
            return (call.node, call.uniqueid)
        case OpenCall():
            return (told.node, told.uniqueid)


def _alike(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two keys may be of the same: a bridge that no line told may be any."""
    if one == other:
        return True
    return one[:2] == other[:2] and len(one) == len(other) == KEY_OF_STAY and not (one[2] and other[2])


def _said_to_be(kept: LedgerEntry) -> bool:
    """Whether the row says that there was something at all."""
    return kept.fields.get("left_reason") != Reason.NOT_IN_JOURNAL.value
