"""Compares the callers' own logs, the switch's journal and the ledger. Pure; all times are in µs since 1970.

A caller sees the completing digit and the BYE, but not the instant of the join. So a stay may be billed from the join,
which the switch alone sees, and never from before the digit. Its end is compared with the caller's own BYE, or with the
instant at which Asterisk was killed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Final

from tests.faults.crowd import CallerReport
from tests.faults.nemesis import Trouble
from tests.faults.plan import Kind

SECOND: Final = 1_000_000
TOLERANCE: Final = 250_000
"""The most by which a record may exceed the caller's own stay: a busy machine takes so long to process a BYE."""
SAVED: Final = 100_000
"""A line of the journal is on disk at most so long after its event."""
SETTLED: Final = 5 * SECOND
"""So long after a fault is healed, callers are served as usual."""
RECONNECTED: Final = 8 * SECOND
"""The daemon waits 5 s for the response to a request that a silent link has swallowed, and connects again after 2 s."""
LOOKED: Final = 4 * SECOND
"""So long after it is connected to the switch, the daemon has written to the journal which callers are there."""
IN_ROOM: Final = 2 * SECOND
"""A caller who stays so long after the last digit of a right code must have been in the room."""
P99_ERROR, P99_STAYS = 50_000, 500
"""The 99th percentile is judged from so many stays on: of fewer, one stay that a busy machine delayed would decide."""
MAX_ERROR: Final = SECOND
UNDERCHARGE: Final = SECOND
GHOST_ERROR: Final = 2 * SECOND
"""Asterisk keeps the time of the last audio, and checks it, in whole seconds. To bill no more than the caller's stay, a
record ends up to two seconds early."""
GHOST: Final = 62 * SECOND
"""So long after it wakes, Asterisk has ended the calls of all who hung up while it was frozen."""
GIVEN_UP: Final = 28 * SECOND
"""A caller repeats BYE for 32 s: after a freeze that is shorter than this, Asterisk still receives it."""
HOLES: Final = (Kind.DISK_FULL, Kind.JOURNAL_CUT, Kind.JOURNAL_GARBAGE, Kind.JOURNAL_NUL)
AMI: Final = (Kind.AMI_CUT, Kind.AMI_SILENCE)
RTP_TIMEOUT: Final = 60 * SECOND

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Join:
    """A stay in the journal's undamaged copy.

    `enter_whole` is True if the line of the join came whole into the journal that the product reads; `end_whole` is
    True if the lines of its end did.
    """

    uniqueid: str
    bridge_id: str
    joined_us: int
    enter_whole: bool = True
    end_whole: bool = True

    @property
    def key(self) -> Key:
        return (self.uniqueid, self.bridge_id, self.joined_us)


@dataclass(frozen=True, slots=True)
class Record:
    """A row of minute_records that no other row corrects."""

    uniqueid: str
    bridge_id: str
    joined_us: int
    left_us: int
    duration_us: int
    reason: str
    evidence: str

    @property
    def key(self) -> Key:
        return (self.uniqueid, self.bridge_id, self.joined_us)


@dataclass(frozen=True, slots=True)
class Bill:
    """The sum of one account's charges, and the sums, `unrated` and `open` of its statements."""

    charges: Decimal
    lines: Decimal
    subtotal: Decimal
    rest: Decimal
    total: Decimal
    unrated: int
    open: int

    @property
    def adds_up(self) -> bool:
        return self.charges == self.lines == self.subtotal and self.subtotal + self.rest == self.total


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the auditor compares.

    `told` are the callers' own reports. `called` maps a uniqueid to its SIP Call-ID, for whole lines only. `calls` are
    the uniqueids of the ledger's calls; `left_open` is the number of stays and calls that are still open in it.
    """

    told: Sequence[CallerReport]
    called: Mapping[str, str]
    joins: Sequence[Join]
    records: Sequence[Record]
    calls: Sequence[str]
    unread_calls: frozenset[str]
    left_open: int
    bill: Bill
    troubles: Sequence[Trouble]
    crashes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise: its name, the uniqueid of the call (empty: of no single call), and by how much."""

    promise: str
    uniqueid: str
    about: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Figures by name, and all violations."""

    figures: Mapping[str, int | float | str]
    violations: Sequence[Violation]


def audit(seen: Evidence) -> Verdict:
    """Compute every figure, and find every violation."""
    return _Audit(seen).verdict()


class _Audit:
    def __init__(self, seen: Evidence) -> None:
        self.seen = seen
        self.told = {told.call_id: told for told in seen.told}
        self.records = {record.key: record for record in seen.records}
        self.deaths = sorted(trouble.struck_us for trouble in seen.troubles if trouble.kind is Kind.ASTERISK_KILL)
        self.switch = [trouble for trouble in seen.troubles if trouble.lane == "asterisk"]
        self.full = [trouble for trouble in seen.troubles if trouble.kind is Kind.DISK_FULL]
        self.holes = [trouble for trouble in seen.troubles if trouble.kind in HOLES]
        self.blind = [*self.switch, *self.full]
        self.freezes = [trouble for trouble in seen.troubles if trouble.kind is Kind.ASTERISK_FREEZE]
        self.figures: dict[str, int | float | str] = {}
        self.violations: list[Violation] = []

    def verdict(self) -> Verdict:
        seen = self.seen
        self.figures |= {
            "calls": len(seen.told),
            "answered": sum(told.answered_us is not None for told in seen.told),
            "joins": len(seen.joins),
            "records": len(seen.records),
            "faults": len(seen.troubles),
        }
        self._lost()
        self._duplicated()
        self._lengths()
        self._dropped()
        self._ghosts()
        self._admission()
        self._calls()
        self._bill()
        for part, count in seen.crashes.items():
            self._violated("no part dies by itself", "", f"{part}: {count} times")
        self.figures["crashes"] = sum(seen.crashes.values())
        self.figures["violations"] = len(self.violations)
        return Verdict(self.figures, self.violations)

    def _lost(self) -> None:
        hidden = [join for join in self.seen.joins if not join.enter_whole]
        for join in self.seen.joins:
            if join.key not in self.records and join.enter_whole and not self._unsaved(join.joined_us):
                self._violated("no stay is lost", join.uniqueid, "its join is in the journal, it has no record")
        torn = [join for join in hidden if not _within(join.joined_us, self.full, SAVED)]
        for join in torn:
            if not self._has_record(join.uniqueid) and not self._unsaved(join.joined_us):
                self._violated("no torn line makes a stay free", join.uniqueid, "the line of its join was torn")
        self.figures["lost"] = self._count("no stay is lost")
        self.figures["torn_joins"] = len(torn)
        self.figures["free_by_torn_lines"] = self._count("no torn line makes a stay free")
        self.figures["joins_on_a_full_disk"] = len(hidden) - len(torn)

    def _duplicated(self) -> None:
        known = {join.key for join in self.seen.joins}
        hidden = {join.uniqueid for join in self.seen.joins if not join.enter_whole}
        by_call: dict[str, list[Record]] = defaultdict(list)
        for record in self.seen.records:
            by_call[record.uniqueid].append(record)
            if record.key not in known and record.uniqueid not in hidden:
                self._violated("no stay is invented", record.uniqueid, f"nobody joined at {record.joined_us}")
        for uniqueid, records in by_call.items():
            for before, after in pairwise(sorted(records, key=lambda record: record.joined_us)):
                if before.key == after.key or after.joined_us < before.left_us:
                    self._violated("no stay is billed twice", uniqueid, "two records overlap")
        self.figures["invented"] = self._count("no stay is invented")
        self.figures["duplicated"] = self._count("no stay is billed twice")

    def _lengths(self) -> None:  # noqa: C901 -- the rules in the order in which they apply to an end
        errors: list[int] = []
        under: list[int] = []
        over: list[int] = []
        doubted: list[int] = []
        frozen: list[int] = []
        latency: list[int] = []
        for join in self.seen.joins:
            record, told = self._record(join), self._told(join.uniqueid)
            if record is None or told is None:
                continue
            death = next((death for death in self.deaths if death > join.joined_us), None)
            ends = [end for end in (told.ended_us, told.vanished_us, death) if end is not None]
            # An end that the switch saw before the caller did is no later than this.
            if not ends or (told.vanished_us is not None and not self._calm_ghost(told)):
                continue
            end, begin = min(ends), told.keyed_us or told.answered_us or join.joined_us
            excess = record.duration_us - (end - begin)
            over.append(excess)
            if excess > TOLERANCE:
                self._violated("no stay is overcharged", join.uniqueid, self._story(record, begin, end, excess))
            if record.duration_us != record.left_us - record.joined_us:
                self._violated("no stay is overcharged", join.uniqueid, "its duration is not left - joined")
            if told.keyed_us is not None:
                latency.append(join.joined_us - told.keyed_us)
            if end == death:
                cost = death - record.left_us
                if cost > UNDERCHARGE and self._unprovable(join.joined_us, death):
                    doubted.append(cost)
                    continue
                under.append(cost)
                if cost > UNDERCHARGE and join.enter_whole:
                    about = self._story(record, begin, end, -cost)
                    self._violated("a kill costs at most a second", join.uniqueid, about)
            elif any(freeze.began_us <= end <= freeze.healed_us for freeze in self.freezes):
                frozen.append(end - record.left_us)
            elif told.vanished_us is None and join.enter_whole and join.end_whole and self._awake(join.joined_us, end):
                errors.append(record.left_us - end)
                if abs(errors[-1]) > MAX_ERROR:
                    about = self._story(record, begin, end, errors[-1])
                    self._violated("durations are right to a second", join.uniqueid, about)
        sizes = sorted(map(abs, errors))
        self.figures |= {
            "overcharged": self._count("no stay is overcharged"),
            "excess_ms_max": _ms(max(over, default=0)),
            "measured_stays": len(sizes),
            "error_ms_p50": _ms(_quantile(sizes, 0.50)),
            "error_ms_p99": _ms(_quantile(sizes, 0.99)),
            "error_ms_max": _ms(max(sizes, default=0)),
            "killed_stays": len(under),
            "undercharge_ms_max": _ms(max(under, default=0)),
            "killed_in_doubt": len(doubted),
            "doubted_undercharge_ms_max": _ms(max(doubted, default=0)),
            "ended_while_frozen": len(frozen),
            "frozen_undercharge_ms_max": _ms(max(frozen, default=0)),
            "admission_ms_p50": _ms(_quantile(sorted(latency), 0.50)),
            "admission_ms_p99": _ms(_quantile(sorted(latency), 0.99)),
        }
        if len(sizes) >= P99_STAYS and _quantile(sizes, 0.99) > P99_ERROR:
            self._violated("99 of 100 durations are right to 50 ms", "", f"p99 is {self.figures['error_ms_p99']} ms")

    def _dropped(self) -> None:
        joined = {self.seen.called.get(join.uniqueid): join.uniqueid for join in self.seen.joins}
        for told in self.seen.told:
            uniqueid, ended = joined.get(told.call_id), told.ended_us
            if uniqueid and ended is not None and told.ended_by == "far end" and not _within(ended, self.switch):
                self._violated("no talking caller is dropped", uniqueid, "the switch hung up with no fault of its own")
        self.figures["dropped"] = self._count("no talking caller is dropped")

    def _ghosts(self) -> None:
        ghosts = [told for told in self.seen.told if told.vanished_us is not None and self._calm_ghost(told)]
        uniqueids = {call_id: uniqueid for uniqueid, call_id in self.seen.called.items()}
        errors = []
        for told in ghosts:
            assert told.vanished_us is not None
            uniqueid = uniqueids.get(told.call_id, "")
            if any(join.uniqueid == uniqueid and not join.end_whole for join in self.seen.joins):
                continue
            record = next((record for record in self.seen.records if record.uniqueid == uniqueid), None)
            if record is None:
                self._violated("a ghost is billed to its last audio", uniqueid, "it has no record")
                continue
            errors.append(record.left_us - told.vanished_us)
            if not -GHOST_ERROR <= errors[-1] <= TOLERANCE or record.reason != "media_lost":
                about = f"it ended {_ms(errors[-1])} ms after its last audio, {record.reason}, {record.evidence}"
                self._violated("a ghost is billed to its last audio", uniqueid, about)
        self.figures["ghosts"] = len(errors)
        self.figures["ghost_error_ms"] = _ms(max(errors, key=abs, default=0))

    def _admission(self) -> None:
        """A caller who was answered, keyed a right code and stayed is in a room, unless a fault struck the dialogue."""
        joined = {self.seen.called.get(join.uniqueid) for join in self.seen.joins}
        decisive = [trouble for trouble in self.seen.troubles if _keeps_out(trouble)]
        hit = 0
        for told in self.seen.told:
            if not told.joins or told.call_id in joined:
                continue
            keyed, ended = told.keyed_us, told.ended_us
            if (
                told.invited_us is None
                or keyed is None
                or ended is None
                or any(
                    trouble.began_us <= keyed + IN_ROOM and told.invited_us <= trouble.healed_us + _settled(trouble)
                    for trouble in decisive
                )
            ):
                hit += 1
            elif ended - keyed >= IN_ROOM:
                self._violated("callers get in", told.call_id, "a right code, no fault near, and no join")
        self.figures["kept_out_by_faults"] = hit
        self.figures["kept_out_without_a_fault"] = self._count("callers get in")

    def _calls(self) -> None:
        counted: dict[str, int] = defaultdict(int)
        for uniqueid in self.seen.calls:
            counted[uniqueid] += 1
        for uniqueid in self.seen.called:
            if uniqueid not in counted and uniqueid not in self.seen.unread_calls:
                self._violated("no call is lost", uniqueid, "it is in the journal, and not in the ledger")
        for uniqueid, count in counted.items():
            if count > 1:
                self._violated("no call is there twice", uniqueid, f"{count} rows")
        if self.seen.left_open:
            self._violated("nothing is left open", "", f"{self.seen.left_open} open stays and calls")
        self.figures["calls_lost"] = self._count("no call is lost")
        self.figures["calls_twice"] = self._count("no call is there twice")
        self.figures["left_open"] = self.seen.left_open

    def _bill(self) -> None:
        bill = self.seen.bill
        if not bill.adds_up or bill.unrated or bill.open:
            self._violated("charges = lines = total", "", str(bill))
        self.figures |= {"charges": str(bill.charges), "lines": str(bill.lines), "total": str(bill.total)}

    def _violated(self, promise: str, uniqueid: str, about: str) -> None:
        self.violations.append(Violation(promise, uniqueid, about))

    def _count(self, promise: str) -> int:
        return sum(violation.promise == promise for violation in self.violations)

    def _told(self, uniqueid: str) -> CallerReport | None:
        return self.told.get(self.seen.called.get(uniqueid, ""))

    def _has_record(self, uniqueid: str) -> bool:
        return any(record.uniqueid == uniqueid for record in self.seen.records)

    def _record(self, join: Join) -> Record | None:
        """The record of a join; where the line of the join was damaged, any record of the call."""
        found = self.records.get(join.key)
        if found is None and not join.enter_whole:
            return next((record for record in self.seen.records if record.uniqueid == join.uniqueid), None)
        return found

    def _unprovable(self, joined: int, death: int) -> bool:
        """Return True if nobody can know whether the caller had left before Asterisk was killed.

        This is so in a freeze that no BYE outlasts; and where a part of the journal is missing, unless the daemon could
        check in between who was there.
        """
        if any(
            freeze.healed_us - freeze.began_us > GIVEN_UP
            and joined < freeze.healed_us <= death <= freeze.healed_us + GHOST
            for freeze in self.freezes
        ):
            return True
        return any(
            hole.began_us <= death and hole.healed_us >= joined and not self._looked(hole, death) for hole in self.holes
        )

    def _looked(self, hole: Trouble, death: int) -> bool:
        """Return True if the daemon had time to check the switch after a hole in the journal.

        To learn that lines which Asterisk wrote are damaged, the daemon also needs the ledger.
        """
        lanes = ("daemon", "asterisk") if hole.kind is Kind.DISK_FULL else ("daemon", "asterisk", "postgres")
        away = sorted(
            (trouble.began_us, trouble.healed_us)
            for trouble in self.seen.troubles
            if trouble.lane in lanes and trouble.kind not in AMI and trouble.struck_us != death
        )
        since = hole.healed_us
        for begun, healed in [*away, (death, death)]:
            if min(begun, death) - since >= LOOKED:
                return True
            since = max(since, healed)
        return False

    def _unsaved(self, at: int) -> bool:
        return any(at <= death <= at + SAVED for death in self.deaths)

    def _awake(self, begin: int, end: int) -> bool:
        """Return True if no fault struck the switch or its disk from `begin` to a second after `end`."""
        return not any(
            trouble.began_us <= end + SECOND and begin <= trouble.healed_us + SECOND for trouble in self.blind
        )

    def _calm_ghost(self, told: CallerReport) -> bool:
        assert told.vanished_us is not None
        return self._awake(told.vanished_us - SECOND, told.vanished_us + RTP_TIMEOUT + SECOND)

    @staticmethod
    def _story(record: Record, begin: int, end: int, excess: int) -> str:
        return (
            f"{_ms(excess):+} ms; caller {begin / 1e6:.3f} to {end / 1e6:.3f}, record {record.joined_us / 1e6:.3f} to "
            f"{record.left_us / 1e6:.3f} ({record.reason}, {record.evidence})"
        )


def _keeps_out(trouble: Trouble) -> bool:
    """Return True if this fault may keep callers out. Faults of the ledger may not, nor those of a torn journal."""
    return trouble.lane in ("daemon", "asterisk") or trouble.kind is Kind.DISK_FULL


def _settled(trouble: Trouble) -> int:
    """Return for how long a fault may keep callers out after it is healed, in µs."""
    return RECONNECTED if trouble.kind is Kind.ARI_SILENCE else SETTLED


def _within(at: int, troubles: Iterable[Trouble], after: int = SETTLED) -> bool:
    return any(trouble.began_us <= at <= trouble.healed_us + after for trouble in troubles)


def _quantile(ordered: Sequence[int], share: float) -> int:
    """The value below which `share` of them lie (nearest rank)."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0


def _ms(us: int) -> float:
    return round(us / 1000, 1)
