"""What freezes and steps of the clock do to a stay that lasts: how much of it its own clock does not count.

- Until it is known whether a gap was a freeze or a step of the clock, it is in doubt, and a stay that ends is charged
  without it. Steps forward are taken off; a freeze is not.
- A step back makes a stay shorter by itself; what it was at least is put back for those who were there at the beat
  before.
"""

from dataclasses import replace

from bridge.domain.metering import stay_end
from bridge.domain.metering.records import OpenStay
from bridge.domain.metering.switch_timeline import FREEZE_US, REVIVAL_US, ClockSteppedBack, GapsExplained


def gap_found(stay: OpenStay, gap_us: int) -> OpenStay:
    """The stay, with a gap in it that may have been a step; a negative one was none after all."""
    return replace(stay, doubt_us=max(0, stay.doubt_us + gap_us))


def gaps_explained(stay: OpenStay, found: GapsExplained) -> OpenStay:
    """The stay, once it is known what the gaps in it were."""
    if not found.step_us or (found.in_gap and not stay.doubt_us):
        return replace(stay, doubt_us=0)
    # Where the gaps were more than this step, steps back may be in between that hide others forward.
    step = found.step_us if stay.doubt_us <= found.step_us + FREEZE_US else stay.doubt_us
    known = replace(stay, deducted_us=stay.deducted_us + step, doubt_us=0)
    return stay_end.estimated(known, 0 if found.in_gap else step)


def stepped_back(stay: OpenStay, back: ClockSteppedBack, newcomer: bool) -> OpenStay:
    """The stay, once the clock was stepped back: what its gaps were, nobody will say any more. Who was there at the
    last beat before, which no `newcomer` was, is there since so much longer."""
    more = back.step_us if back.shows and not newcomer else 0
    settled = replace(stay, deducted_us=stay.deducted_us + stay.doubt_us - more, doubt_us=0)
    return stay_end.estimated(settled, REVIVAL_US if more else back.step_us)
