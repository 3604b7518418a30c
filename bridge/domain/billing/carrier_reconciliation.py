"""Compares the carrier's calls with ours: calls that only one side has, and calls on which the two disagree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from bridge.domain import phone
from bridge.domain.billing import carrier_matching
from bridge.domain.billing.carrier_call import CarrierCall, OwnCall, duration_difference_us, start_difference_us
from bridge.domain.period import SECOND_US

Call = TypeVar("Call", CarrierCall, OwnCall)


@dataclass(frozen=True, slots=True)
class ReconciliationTerms:
    """The terms on which the two sides are compared. The period is [since, until), in µs since 1970.

    A start or a duration differs if it does by more than `tolerance_us`. Calls pair by number if their starts are
    within `window_us`; numbers are alike if their last `digits` digits are. If there are `numbers`, calls to other
    numbers are left out. With `level_clocks`, the offset of the two clocks is taken off before starts are compared.
    With `unanswered`, calls that nobody answered are reported too.
    """

    since_us: int
    until_us: int
    tolerance_us: int = SECOND_US
    window_us: int = 30 * SECOND_US
    digits: int = 8
    numbers: frozenset[str] = frozenset()
    level_clocks: bool = False
    unanswered: bool = False


class CallField(StrEnum):
    """The fields in which the two sides may differ on one call."""

    START = "start"
    DURATION = "duration"
    CALLER = "caller"
    NUMBER = "number"
    OPEN = "open"
    """The carrier has ended the call, while it goes on in our ledger."""


@dataclass(frozen=True, slots=True)
class Matched:
    """One call that both sides have. Differences are the carrier's minus ours; `fields` differ beyond tolerance."""

    carrier: CarrierCall
    own: OwnCall
    start_us: int
    duration_us: int | None
    fields: frozenset[CallField]


@dataclass(frozen=True, slots=True)
class Sum:
    """A number of calls, and their time from answer to hang-up as far as it is known."""

    calls: int
    duration_us: int

    @classmethod
    def of(cls, calls: Sequence[CarrierCall | OwnCall]) -> "Sum":
        return cls(len(calls), sum(call.duration_us or 0 for call in calls))


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The two sides beside each other, in order of time.

    `clock_offset_us` is how far the carrier's clock is ahead, by the median of all pairs; None without a pair.
    `unanswered` counts the calls of either side that nobody answered and that were left out, `open` our calls that
    still go on and that the carrier cannot have yet.
    """

    terms: ReconciliationTerms
    # Out of repr(): asyncio takes that of a task's result, and here it would be a month of calls.
    matched: Sequence[Matched] = field(repr=False)
    only_carrier: Sequence[CarrierCall] = field(repr=False)
    only_own: Sequence[OwnCall] = field(repr=False)
    carrier: Sum
    own: Sum
    clock_offset_us: int | None
    unanswered: int
    open: int

    @property
    def differing(self) -> list[Matched]:
        """Calls that both sides have, and on which they differ."""
        return [one for one in self.matched if one.fields]

    @property
    def duration_difference_us(self) -> int:
        """The sum by which the carrier's calls are longer, over the calls that both sides have."""
        return sum(one.duration_us or 0 for one in self.matched)

    @property
    def agreed(self) -> bool:
        """Return True if the two sides agree on everything."""
        return not (self.only_carrier or self.only_own or self.differing)


def span(carrier: Iterable[CarrierCall]) -> tuple[int, int] | None:
    """The period [since, until) that the carrier's calls fill; None without a call."""
    times = [call.at_us for call in carrier]
    return (min(times), max(times) + 1) if times else None


def reconcile(carrier: Iterable[CarrierCall], own: Iterable[OwnCall], terms: ReconciliationTerms) -> Reconciliation:
    """Compare the two sides. Calls around the period may be given: they are used as partners, and not reported alone.

    No two of the carrier's calls may have the same line, no two of ours the same id.
    """
    found, left, rest = carrier_matching.pairs(
        _wanted(carrier, terms), _wanted(own, terms), terms.window_us, terms.digits
    )
    offset_us = carrier_matching.clock_offset_us(found)
    level_us = (offset_us or 0) if terms.level_clocks else 0
    found = [pair for pair in found if any(_within(call, terms) for call in pair)]
    left = [call for call in left if _within(call, terms)]
    rest = [call for call in rest if _within(call, terms)]
    matched = [_matched(*pair, level_us, terms) for pair in found if any(_is_reported(call, terms) for call in pair)]
    only_carrier = [call for call in left if _is_reported(call, terms)]
    closed = [call for call in rest if call.ended_us is not None]
    only_own = [call for call in closed if _is_reported(call, terms)]
    return Reconciliation(
        terms=terms,
        matched=sorted(matched, key=lambda one: (one.own.started_us, one.own.id)),
        only_carrier=sorted(only_carrier, key=lambda call: (call.at_us, call.line)),
        only_own=sorted(only_own, key=lambda call: (call.started_us, call.id)),
        carrier=Sum.of([*(one.carrier for one in matched), *only_carrier]),
        own=Sum.of([*(one.own for one in matched), *only_own]),
        clock_offset_us=offset_us,
        unanswered=len(found) - len(matched) + len(left) - len(only_carrier) + len(closed) - len(only_own),
        open=len(rest) - len(closed),
    )


def _matched(theirs: CarrierCall, ours: OwnCall, level_us: int, terms: ReconciliationTerms) -> Matched:
    start_us, duration_us = start_difference_us(theirs, ours) - level_us, duration_difference_us(theirs, ours)
    fields = {
        CallField.START: abs(start_us) > terms.tolerance_us,
        CallField.DURATION: abs(duration_us or 0) > terms.tolerance_us,
        CallField.CALLER: phone.unlike(theirs.caller, ours.caller, terms.digits),
        CallField.NUMBER: phone.unlike(theirs.number, ours.number, terms.digits),
        CallField.OPEN: ours.ended_us is None,
    }
    return Matched(theirs, ours, start_us, duration_us, frozenset(name for name, differs in fields.items() if differs))


def _wanted(calls: Iterable[Call], terms: ReconciliationTerms) -> Iterable[Call]:
    """Calls to the numbers of `terms`, or to a number that is not known."""
    if not terms.numbers:
        return calls
    tails = {"", *(phone.tail(number, terms.digits) for number in terms.numbers)}
    return (call for call in calls if phone.tail(call.number, terms.digits) in tails)


def _within(call: CarrierCall | OwnCall, terms: ReconciliationTerms) -> bool:
    at_us = call.at_us if isinstance(call, CarrierCall) else call.started_us
    return terms.since_us <= at_us < terms.until_us


def _is_reported(call: CarrierCall | OwnCall, terms: ReconciliationTerms) -> bool:
    return terms.unanswered or (call.answered if isinstance(call, CarrierCall) else call.answered_us is not None)
