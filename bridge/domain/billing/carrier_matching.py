"""Matches the carrier's calls with ours, one to one.

There are four passes, the surest first. Each pass takes calls that the passes before it left:

1. the same SIP Call-ID. A pair that has it to itself needs no more. An id that comes twice on either side (a carrier
   that forks, or writes a constant) pairs only within the window, like numbers do;
2. the same caller and dialled number, within the window;
3. the same caller, within the window: carriers that write a routing number for the dialled one;
4. the same dialled number, within the window, where one side does not know the caller: withheld numbers.

Within a pass the closest pair comes first: closest by start, after the offset of the two clocks, and by duration
together, since one company's staff call at the same moment under one number. Ties are broken by what the calls say,
never by the order they came in.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from statistics import median_low
from typing import Final

from bridge.domain import phone
from bridge.domain.billing.carrier_call import CarrierCall, OwnCall, duration_difference_us, start_difference_us

ENOUGH: Final = 5
"""So many sure pairs show the offset of two clocks; fewer may be chance."""

Pair = tuple[CarrierCall, OwnCall]
_Call = CarrierCall | OwnCall
_Group = tuple[list[CarrierCall], list[OwnCall]]


def pairs(
    carrier: Iterable[CarrierCall], own: Iterable[OwnCall], window_us: int, digits: int
) -> tuple[list[Pair], list[CarrierCall], list[OwnCall]]:
    """Return all pairs, the calls that only the carrier has, and those that only we have, in no particular order.

    Starts may differ by `window_us`; numbers are alike when their last `digits` digits are.
    """
    look = _Look(carrier, own, window_us, digits)
    for theirs, ours in look.groups(lambda call: call.sip_call_id):
        alone = len(theirs) == len(ours) == 1
        look.take([(theirs[0], ours[0])] if alone else look.near(theirs, ours))
    look.learn_offset()
    for group in look.groups(look.caller_and_number):
        look.take(look.near(*group))
    for group in look.groups(look.caller):
        look.take(look.near(*group))
    for group in look.groups(look.number):
        look.take(pair for pair in look.near(*group) if not (look.caller(pair[0]) and look.caller(pair[1])))
    return look.found, list(look.carrier.values()), list(look.own.values())


def clock_offset_us(found: Iterable[Pair]) -> int | None:
    """The time by which the carrier's clock is ahead of ours: the median over pairs. None if there is no pair."""
    differences = [start_difference_us(*pair) for pair in found]
    return median_low(differences) if differences else None


class _Look:
    """The pairs so far, and the calls that are left."""

    def __init__(self, carrier: Iterable[CarrierCall], own: Iterable[OwnCall], window_us: int, digits: int) -> None:
        self.carrier = {call.line: call for call in carrier}
        self.own = {call.id: call for call in own}
        self.found: list[Pair] = []
        self._window_us, self._digits = window_us, digits
        self._offset_us = 0

    def groups(self, key: Callable[[_Call], str]) -> Iterator[_Group]:
        """Yield the calls that are left on both sides, grouped by a key. A call with an empty key is in no group."""
        groups: dict[str, _Group] = defaultdict(lambda: ([], []))
        for theirs in self.carrier.values():
            if found := key(theirs):
                groups[found][0].append(theirs)
        for ours in self.own.values():
            if (found := key(ours)) in groups:
                groups[found][1].append(ours)
        return (group for group in groups.values() if group[1])

    def near(self, carrier: Sequence[CarrierCall], own: Sequence[OwnCall]) -> Iterator[Pair]:
        """Pairs that start within the window, once the clocks agree."""
        for from_answer in (True, False):
            alike = [call for call in carrier if call.from_answer is from_answer]
            timed = sorted(((call.at(from_answer), call) for call in own), key=itemgetter(0)) if alike else []
            for theirs in alike:
                at = theirs.at_us - self._offset_us
                first = bisect_left(timed, at - self._window_us, key=itemgetter(0))
                last = bisect_right(timed, at + self._window_us, key=itemgetter(0))
                yield from ((theirs, call) for _, call in timed[first:last])

    def take(self, candidates: Iterable[Pair]) -> None:
        """Pair the closest, then the closest of what is left."""
        for theirs, ours in sorted(candidates, key=self._rank):
            if theirs.line in self.carrier and ours.id in self.own:
                del self.carrier[theirs.line], self.own[ours.id]
                self.found.append((theirs, ours))

    def learn_offset(self) -> None:
        """Learn how far the clocks are apart, from the pairs so far and from pairs that have no rival."""
        sure = list(self.found)
        for group in self.groups(self.caller_and_number):
            near = list(self.near(*group))
            theirs, ours = Counter(pair[0].line for pair in near), Counter(pair[1].id for pair in near)
            sure += [pair for pair in near if theirs[pair[0].line] == ours[pair[1].id] == 1]
        if len(sure) >= ENOUGH:
            self._offset_us = clock_offset_us(sure) or 0

    def caller(self, call: _Call) -> str:
        return phone.tail(call.caller, self._digits)

    def number(self, call: _Call) -> str:
        return phone.tail(call.number, self._digits)

    def caller_and_number(self, call: _Call) -> str:
        caller, number = self.caller(call), self.number(call)
        return f"{caller} {number}" if caller and number else ""

    def _rank(self, pair: Pair) -> tuple[object, ...]:
        theirs, ours = pair
        strange = sum(
            phone.unlike(one, other, self._digits)
            for one, other in ((theirs.caller, ours.caller), (theirs.number, ours.number))
        )
        apart = abs(start_difference_us(*pair) - self._offset_us) + abs(duration_difference_us(*pair) or 0)
        said = theirs.at_us, theirs.duration_us or 0, theirs.caller, theirs.number, theirs.sip_call_id, theirs.line
        return strange, apart, ours.started_us, ours.id, *said
