"""Adjusts stays that last to freezes and steps of the clock: time that a stay's own clock does not count.

`doubt_us` is time in gaps that may have been steps of the clock. `deducted_us` is time that the clock is known to have
skipped. Both are taken off when the stay ends, so that it is never charged for time that did not pass.

    event of the timeline                     doubt_us        deducted_us             evidence, error bound
    ----------------------------------------  --------------  ----------------------  ----------------------------------
    `GapFound`, `GapRetracted`                + gap, − gap    unchanged               unchanged
    `GapsExplained`: no step, or one in a     0               unchanged               unchanged
      gap that the stay did not see
    `GapsExplained`: a step forward           0               + step                  estimated; + step if not in a gap
    `ClockSteppedBack`                        0               + doubt_us              estimated; + step
    `ClockSteppedBack` shown by an ALIVE, to  0               + doubt_us − step       estimated; + 6 s (`REVIVAL_US`)
      a stay that was there at the ALIVE before

A step back makes a stay shorter by itself, because the stay ends on an earlier clock than it began on. If an ALIVE
shows the step, the step is added back to each stay that was there at the ALIVE before.
"""

from dataclasses import replace

from bridge.domain.metering import stay_end
from bridge.domain.metering.records import OpenStay
from bridge.domain.metering.switch_timeline import FREEZE_US, REVIVAL_US, ClockSteppedBack, GapsExplained


def gap_found(stay: OpenStay, gap_us: int) -> OpenStay:
    """The stay, with a gap in it that may have been a step of the clock. A negative gap takes one back."""
    return replace(stay, doubt_us=max(0, stay.doubt_us + gap_us))


def gaps_explained(stay: OpenStay, explained: GapsExplained) -> OpenStay:
    """The stay, once it is known what the gaps in it were."""
    if not explained.step_us or (explained.in_gap and not stay.doubt_us):
        return replace(stay, doubt_us=0)
    # If the gaps add up to more than this step, steps back between them may hide further steps forward.
    step = explained.step_us if stay.doubt_us <= explained.step_us + FREEZE_US else stay.doubt_us
    known = replace(stay, deducted_us=stay.deducted_us + step, doubt_us=0)
    return stay_end.estimated(known, 0 if explained.in_gap else step)


def stepped_back(stay: OpenStay, back: ClockSteppedBack, newcomer: bool) -> OpenStay:
    """The stay, once the clock was stepped back. A `newcomer` joined after the last ALIVE.

    Gaps from before the step can no longer be explained, so that their time is deducted.
    """
    more = back.step_us if back.shows and not newcomer else 0
    settled = replace(stay, deducted_us=stay.deducted_us + stay.doubt_us - more, doubt_us=0)
    return stay_end.estimated(settled, REVIVAL_US if more else back.step_us)
