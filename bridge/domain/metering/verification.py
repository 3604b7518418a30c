"""Compares the journal with the ledger: what the fold makes of a period, beside the rows that count.

Both sides are given piece by piece, in any order. A pair that agrees is forgotten at once, so that memory is needed for
entries without their other half only, however long the period.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from bridge.domain.metering.records import Call, MinuteRecord, OpenCall, OpenStay, Reason, clean

MARGIN_US: Final = 600_000_000
"""Both sides are read from so long before a period to so long after it: an entry at its edge may begin differently."""
KEY_OF_STAY: Final = 3
TAIL_US: Final = 60_000_000
"""A row that began so shortly before the end of the journal may have been committed after the journal was read."""

JournalEntry = MinuteRecord | Call | OpenStay | OpenCall
"""A stay or a call as the fold makes it from the journal, over or open."""
Value = str | int | None


class EntryKind(StrEnum):
    """The kinds of entries that are compared."""

    STAY = "stay"
    CALL = "call"


class Verdict(StrEnum):
    """The ways in which journal and ledger differ on one entry."""

    MISSING = "missing"
    """The journal has it, the ledger does not."""
    NOT_IN_JOURNAL = "not_in_journal"
    """The ledger has it. The journal of that whole time was read, and does not."""
    DIFFERS = "differs"
    OPEN_IN_JOURNAL = "open_in_journal"
    """The ledger has closed an entry that goes on by the journal."""
    OPEN_IN_LEDGER = "open_in_ledger"
    """The ledger holds an entry open that is over by the journal, or not in it."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A stay or a call in the ledger: the row that counts.

    `root` is the id of the row that its corrections go back to. `end_us` is None while it is open. `fields` has the
    keys of `fields_of`.
    """

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
    """One field that journal and ledger have differently. A name that ends in `_at` is an instant, in µs since 1970."""

    name: str
    journal: Value
    ledger: Value


@dataclass(frozen=True, slots=True)
class Difference:
    """One stay or call on which journal and ledger don't agree. At least one side is there."""

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
        """The id of the ledger's row, or the id that the row would have."""
        if self.ledger is not None:
            return self.ledger.id
        assert self.journal is not None
        return root_of(self.journal)

    @property
    def at_us(self) -> int:
        """When it began, in µs since 1970: by the journal, if that has it."""
        if self.journal is not None:
            return began_us(self.journal)
        assert self.ledger is not None
        return self.ledger.at_us

    @property
    def unmendable(self) -> str:
        """The reason why no row can mend it, empty if one can."""
        if self.verdict is Verdict.OPEN_IN_JOURNAL:
            return "goes on: verify again once it is over"
        if self.kind is EntryKind.CALL and self.verdict in (Verdict.DIFFERS, Verdict.NOT_IN_JOURNAL):
            return "calls have no corrections: they are not billed"
        return ""


@dataclass(frozen=True, slots=True)
class JournalCoverage:
    """The part of the journal that was read, from `since_us` to `until_us` (µs since 1970).

    `holes` are spans in it for which nobody can say what happened: garbage, missing lines, silence.
    """

    since_us: int
    until_us: int
    holes: Sequence[tuple[int, int]] = ()

    def covers(self, since_us: int, until_us: int) -> bool:
        """Return True if the journal of this whole span was read, and has no hole in it."""
        if since_us < self.since_us or max(since_us, until_us) > self.until_us:
            return False
        return not any(first <= until_us and since_us <= last for first, last in self.holes)


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of a comparison.

    `stays` and `calls` count the entries of the journal in the period. `uncovered` counts rows that only the ledger
    has, of times whose journal is not there any more, or not whole. `extent` is None if there is no journal at all.
    """

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
    """A period [since, until), in µs since 1970. None is no bound."""

    since_us: int | None = None
    until_us: int | None = None

    def holds(self, at_us: int) -> bool:
        return (self.since_us is None or self.since_us <= at_us) and (self.until_us is None or at_us < self.until_us)

    @property
    def widened(self) -> "Span":
        """The period with MARGIN_US added on either side."""
        return Span(
            None if self.since_us is None else self.since_us - MARGIN_US,
            None if self.until_us is None else self.until_us + MARGIN_US,
        )


class Comparison:
    """A comparison that goes on: the entries of either side that have not found their other half yet."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._wide = span.widened
        self._journal: dict[UUID, JournalEntry] = {}
        self._ledger: dict[UUID, list[LedgerEntry]] = defaultdict(list)
        self._differing: list[Difference] = []
        self._counted = dict.fromkeys(EntryKind, 0)

    def journal(self, entry: JournalEntry) -> None:
        """Add a stay or call that is over by the journal. Each is to be added once."""
        if not self._wide.holds(began_us(entry)):
            return
        self._count(entry)
        root = root_of(entry)
        rows = self._ledger.get(root)
        if rows:
            self._meet(entry, rows.pop(0))
            if not rows:
                del self._ledger[root]
        else:
            self._journal[root] = entry

    def ledger(self, row: LedgerEntry) -> None:
        """Add a row of the ledger that is over and counts. Each is to be added once."""
        entry = self._journal.pop(row.root, None)
        if entry is not None:
            self._meet(entry, row)
        else:
            self._ledger[row.root].append(row)

    def finish(
        self, going: Iterable[JournalEntry], open_rows: Iterable[LedgerEntry], extent: JournalCoverage, uncovered: int
    ) -> Verification:
        """Finish the comparison.

        `going` is open in the fold at the end of the journal, `open_rows` in the ledger as of that place. `uncovered`
        rows of the period were left out, since they are from before the journal.
        """
        self._compare_open([entry for entry in going if self._wide.holds(began_us(entry))], list(open_rows))
        self._match_by_key(extent)
        for entry in self._journal.values():
            self._differing.append(Difference(Verdict.MISSING, entry, None))
        for row in (row for rows in self._ledger.values() for row in rows):
            verdict = self._alone(row, extent)
            if verdict is not None:
                self._differing.append(Difference(verdict, None, row))
            elif _says_there_was_one(row) and self._span.holds(row.at_us) and row.at_us < extent.until_us - TAIL_US:
                uncovered += 1
        found = sorted(filter(self._within, self._differing), key=lambda one: (one.at_us, one.id))
        return Verification(found, self._counted[EntryKind.STAY], self._counted[EntryKind.CALL], uncovered, extent)

    # --- Pairs --------------------------------------------------------------------------------------------------------
    def _meet(self, entry: JournalEntry, row: LedgerEntry) -> None:
        if isinstance(entry, OpenStay | OpenCall):
            self._differing.append(Difference(Verdict.OPEN_IN_JOURNAL, entry, row))
            return
        said = fields_of(entry)
        unlike = tuple(
            FieldDifference(name, said[name], row.fields.get(name))
            for name in said
            if said[name] != row.fields.get(name)
        )
        if unlike:
            self._differing.append(Difference(Verdict.DIFFERS, entry, row, unlike))

    def _compare_open(self, going: Sequence[JournalEntry], open_rows: Sequence[LedgerEntry]) -> None:
        held = {row.root: row for row in open_rows}
        for entry in going:
            row = held.get(root_of(entry)) or next((row for row in held.values() if _alike(_key(entry), row.key)), None)
            if row is None:
                self.journal(entry)
            else:
                self._count(entry)
                del held[row.root]
                self._ledger.pop(row.root, None)  # closed since
        for root, row in held.items():
            over = self._journal.pop(root, None)
            if over is not None:
                self._differing.append(Difference(Verdict.OPEN_IN_LEDGER, over, row))
            else:
                self._ledger[root].append(row)

    def _match_by_key(self, extent: JournalCoverage) -> None:
        """Pair entries whose ids differ, by channel and bridge, those that began nearest to each other first.

        An id differs if the two sides differ in when the entry began, or if one does not know the bridge.
        """
        lone: dict[tuple[str, ...], list[JournalEntry]] = defaultdict(list)
        for entry in self._journal.values():
            lone[_key(entry)[:2]].append(entry)
        pairs = [
            (abs(began_us(entry) - row.at_us), root_of(entry), entry, row)
            for rows in self._ledger.values()
            for row in rows
            if not row.open and _says_there_was_one(row)
            for entry in lone.get(row.key[:2], ())
            if _alike(_key(entry), row.key)
        ]
        for _, root, entry, row in sorted(pairs, key=lambda pair: (pair[0], pair[1])):
            rows = self._ledger.get(row.root, [])
            if root not in self._journal or row not in rows:
                continue
            del self._journal[root]
            rows.remove(row)
            # The journal that was read begins in the middle of such an entry: the ledger knows it better.
            if row.at_us >= extent.since_us:
                self._meet(entry, row)

    # --- Entries without their other half -----------------------------------------------------------------------------
    def _alone(self, row: LedgerEntry, extent: JournalCoverage) -> Verdict | None:
        """The verdict on a row that the journal does not have, None if nothing is wrong or nobody can say."""
        if not _says_there_was_one(row) or row.at_us >= extent.until_us - TAIL_US:
            return None
        if row.open:
            return Verdict.OPEN_IN_LEDGER if extent.covers(row.at_us, extent.until_us) else None
        assert row.end_us is not None
        return Verdict.NOT_IN_JOURNAL if extent.covers(row.at_us, row.end_us) else None

    def _within(self, one: Difference) -> bool:
        began = [began_us(one.journal)] if one.journal is not None else []
        began += [one.ledger.at_us] if one.ledger is not None else []
        return any(map(self._span.holds, began))

    def _count(self, entry: JournalEntry) -> None:
        if self._span.holds(began_us(entry)):
            self._counted[EntryKind.STAY if isinstance(entry, MinuteRecord | OpenStay) else EntryKind.CALL] += 1


def root_of(entry: JournalEntry) -> UUID:
    """The id of the entry's row in the ledger, before any correction."""
    match entry:
        case MinuteRecord():
            return entry.stay.identity.id
        case OpenStay():
            return entry.identity.id
        case Call():
            return entry.call.id
        case OpenCall():  # pragma: no branch -- mypy shows that no other case is left
            return entry.id


def began_us(entry: JournalEntry) -> int:
    """When the stay was joined or the call came, in µs since 1970."""
    match entry:
        case MinuteRecord():
            return entry.stay.identity.joined_us
        case OpenStay():
            return entry.identity.joined_us
        case Call():
            return entry.call.started_us
        case OpenCall():  # pragma: no branch -- mypy shows that no other case is left
            return entry.started_us


def fields_of(entry: MinuteRecord | Call) -> dict[str, Value]:
    """The fields on which the two sides must agree."""
    match entry:
        case MinuteRecord(stay=stay):
            return {
                "joined_at": stay.identity.joined_us,
                "left_at": entry.left_us,
                "duration_us": entry.duration_us,
                "left_reason": entry.reason.value,
                "evidence": entry.evidence.value,
                "error_bound_us": entry.error_bound_us,
                "room": stay.room,
                "account_id": stay.account_id,
                "sub_account_id": stay.sub_account_id,
                "passcode_id": stay.passcode_id,
                "role": stay.role,
                "project_code": stay.project_code,
                "caller": clean(stay.caller),
                "access_number": clean(stay.access_number),
            }
        case Call(call=call):  # pragma: no branch -- mypy shows that no other case is left
            return {
                "started_at": call.started_us,
                "answered_at": call.answered_us,
                "ended_at": entry.ended_us,
                "duration_us": entry.ended_us - call.started_us,
                "outcome": call.outcome.value,
                "evidence": entry.evidence.value,
                "caller": clean(call.caller),
                "access_number": clean(call.access_number),
                "sip_call_id": clean(call.sip_call_id),
            }


def merged(holes: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans in order, those that overlap or touch made one."""
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


def _key(entry: JournalEntry) -> tuple[str, ...]:
    match entry:
        case MinuteRecord(stay=stay):
            return _key(stay)
        case OpenStay(identity=identity):
            return (identity.node, identity.uniqueid, entry.bridge_id)
        case Call(call=call):
            return (call.node, call.uniqueid)
        case OpenCall():  # pragma: no branch -- mypy shows that no other case is left
            return (entry.node, entry.uniqueid)


def _alike(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Return True if two keys may be of the same entry: a bridge that no line names may be any."""
    if one == other:
        return True
    return one[:2] == other[:2] and len(one) == len(other) == KEY_OF_STAY and not (one[2] and other[2])


def _says_there_was_one(row: LedgerEntry) -> bool:
    """Return True unless the row is a correction which says that there was no stay."""
    return row.fields.get("left_reason") != Reason.NOT_IN_JOURNAL.value
