"""The end of a stay: when it was, as far as the lines that are left show, and why. Values in, values out.

When. "left" is on the stay's own clock: `deducted_us` and `doubt_us` are taken off it, and it is never before the join
(`cut`). All rules but the plain exit make the stay estimated, and `doubt_us` is added to the error bound.

    rule                       case                               left_us                       added to the error bound
    -------------------------  ---------------------------------  ----------------------------  ------------------------
    `ended_by_exit` at t       soon after a freeze the stay saw   the freeze's beginning        t − left
                               clock set back since last ALIVE,   the last ALIVE                6 s
                                 stay older than that ALIVE
                               the same, stay newer than it       t                             last ALIVE − t + 6 s
                               t before the join, or time to      t                             0
                                 deduct or in doubt
                               none of these: a plain exit        t, measured                   0
    `ended_by_uncertain_exit`  a hidden span since last seen      the span's beginning          t − left
                               none                               as by `ended_by_exit`
    `ended_with_channel` at t  clock set back since last ALIVE    t − 0.5 s                     last ALIVE − t + 0.5 s
                               otherwise                          0.5 s before `ended_by_exit`  what that takes off
    `ended_by_rejoining` at t  a hidden span after the join       the span's beginning (or the  at least t − join
                                                                    freeze it is soon after)
                               none                               the join                      at least t − join
    `ended_by_absence` at t    the daemon saw nobody              last seen, or the join        t − left
    `ended_with_switch`        a hidden span since last seen      the span's beginning          last proof − left + 1 s
                               none                               the last proof of life        1 s
    these two                  left soon after a freeze           the freeze's beginning        what that takes off

A caller who was seen soon after a freeze counts as seen where it began: they may have left during it.

Why. The first row that matches decides (`closed_with_reason`); "silence" says which rule cuts the end further.

    what is known                                     reason                 silence
    ------------------------------------------------  ---------------------  -------------------------------------------
    LEFT: DTMF                                        left_room              none: the caller pressed a key
    LEFT: KICKED, ENDMARKED, TIMEOUT                  kicked, ended_by_host, a long freeze
                                                        longest_stay
    HANGUP by the caller's own channel                hung_up                none: the caller was there
    HANGUP by another channel, or the dialplan        dropped                a long freeze
    cause 44 (no media)                               media_lost             rtp_timeout + 1 s, or a freeze before that
    no cause at all                                   dropped                rtp_timeout + 1 s, or a freeze before that
    cause 21 (call rejected: by the daemon)           disconnected           a long freeze
    cause 16 (normal clearing: by the switch)         switch_stopped         a long freeze
    any other cause                                   dropped                a long freeze

A long freeze (over 28 s) may have hidden a BYE for good: unless the switch has waited for audio since and heard some,
the stay ends where that freeze began. So does a stay whose audio ended as the switch woke from any freeze: the kernel
kept what came in meanwhile, and the switch took it for new. A stay that ends with its switch is `switch_lost`.
"""

from dataclasses import replace
from enum import Enum, auto
from typing import Final

from bridge.domain.metering.journal_line import HungUp
from bridge.domain.metering.records import CAUSE_DISCONNECTED, Evidence, MinuteRecord, OpenStay, Reason
from bridge.domain.metering.switch_timeline import REVIVAL_US, SwitchTimeline
from bridge.domain.period import SECOND_US

AFTER_PROOF_US: Final = SECOND_US
"""So long the switch may have lived after its last proof of life: an ALIVE is due each half second."""
TEARDOWN_US: Final = 500_000
"""The longest time that a channel takes from its exit out of the room to its end."""
LISTENING_US: Final = SECOND_US
"""Asterisk looks for audio once a second: it may notice the end of it so much later than `rtp_timeout` says."""
LONGEST_DIGITS: Final = 8
"""A number of seconds in LEFT with as many digits or more is nonsense."""
CAUSE_NO_MEDIA: Final = 44
CAUSE_NORMAL: Final = 16

_RESULTS: Final = {
    "KICKED": Reason.KICKED,
    "ENDMARKED": Reason.ENDED_BY_HOST,
    "DTMF": Reason.LEFT_ROOM,
    "TIMEOUT": Reason.LONGEST_STAY,
}


class HungUpBy(Enum):
    """The side that hung up a channel, by the `hangupsource` of its HANGUP line."""

    CALLER = auto()
    """The channel itself: its name is the source."""
    OTHERS = auto()
    """Another channel, or the dialplan."""
    SWITCH_OR_UNKNOWN = auto()
    """No source: the switch itself, or the HANGUP line is lost. The cause tells more."""


# --- When ---------------------------------------------------------------------------------------------------------
def ended_by_exit(stay: OpenStay, at: int, timeline: SwitchTimeline, newcomer: bool) -> OpenStay:
    """The stay, ended at `at` by the switch's own BRIDGE_EXIT, which is late when the switch has just woken.

    A `newcomer` joined after the last ALIVE.
    """
    joined = stay.identity.joined_us
    if cut_at_freeze := _ended_on_waking(stay, at, timeline):
        return cut_at_freeze
    if timeline.is_step_back(at):
        # No ALIVE has shown the step yet. Who was there at the last one was there until then at least.
        if newcomer:
            return cut(stay, at, timeline.alive_us - at + REVIVAL_US)
        return cut(stay, timeline.alive_us, REVIVAL_US)
    if at < joined or stay.doubt_us or stay.deducted_us:
        return cut(stay, at, 0)
    return replace(stay, left_us=at)


def ended_by_uncertain_exit(stay: OpenStay, at: int, timeline: SwitchTimeline, newcomer: bool) -> OpenStay:
    """The stay, ended at `at` by a line that does not say out of which bridge, or whose own bridge is not known.

    Where an exit and another join may be hidden, this exit may be of another stay: what is charged ends before that.
    """
    end = unseen_since(stay, at, timeline)
    return ended_by_exit(stay, at, timeline, newcomer) if end >= at else cut(stay, end, at - end)


def ended_with_channel(stay: OpenStay, at: int, timeline: SwitchTimeline, newcomer: bool) -> OpenStay:
    """The stay of a channel that has ended by `at`, although no line says when it left the room."""
    if timeline.is_step_back(at) and at >= stay.identity.joined_us:
        # The clock was set back, or this line is replayed and what stood before it was lost the first time.
        return cut(stay, at - TEARDOWN_US, timeline.alive_us - at + TEARDOWN_US)
    ended = ended_by_exit(stay, at, timeline, newcomer)
    assert ended.left_us is not None
    end = max(stay.identity.joined_us, ended.left_us - TEARDOWN_US)
    return estimated(replace(ended, left_us=end), ended.left_us - end)


def ended_by_rejoining(stay: OpenStay, at: int, timeline: SwitchTimeline) -> OpenStay:
    """The stay of a channel that joined again at `at`, although no line says when it left."""
    end = _exit_after(stay, at, timeline)
    left = _ended_on_waking(stay, end, timeline) or cut(stay, end, 0)
    return replace(left, error_bound_us=max(left.error_bound_us, at - stay.identity.joined_us))


def _ended_on_waking(stay: OpenStay, at: int, timeline: SwitchTimeline) -> OpenStay | None:
    """The stay, ended where the switch froze, if `at` is so soon after waking that the end may be of the freeze."""
    froze_us = timeline.freeze_behind(at, _there_since(stay))
    if froze_us is None:
        return None
    # The gaps from there on are no part of what is charged, so that they put nothing else in doubt.
    awake = replace(stay, doubt_us=max(0, stay.doubt_us - timeline.gaps_since(froze_us)))
    return cut(awake, froze_us, max(0, at - froze_us))


def ended_by_absence(stay: OpenStay, at: int, seen_us: int, timeline: SwitchTimeline) -> OpenStay:
    """The stay of a channel that is in no room at `at`, and was last seen in one at `seen_us`."""
    end = min(max(seen_us, stay.seen_us, stay.identity.joined_us), at)
    # A switch that has just woken still has callers in its rooms who left while it was frozen.
    left = _ended_on_waking(stay, end, timeline) or cut(stay, end, 0)
    return estimated(left, max(0, at - end))


def ended_with_switch(stay: OpenStay, proved_us: int, timeline: SwitchTimeline, rtp_timeout_us: int) -> OpenStay:
    """The stay of a channel that was there when the switch died, which lived until `proved_us` at least."""
    end = min(proved_us, unseen_since(stay, proved_us, timeline))
    left = _ended_on_waking(stay, end, timeline) or cut(stay, end, 0)
    return _without_silence(estimated(left, proved_us - end + AFTER_PROOF_US), timeline, rtp_timeout_us)


def _without_silence(stay: OpenStay, timeline: SwitchTimeline, quiet_us: int) -> OpenStay:
    """The stay that ended otherwise than by the caller: not beyond a long freeze since which they may be gone."""
    assert stay.left_us is not None
    at = stay.left_us + _uncounted(stay)
    freeze = timeline.freeze_before_silence(at, _there_since(stay), quiet_us + LISTENING_US)
    end = _not_beyond(stay, stay.left_us, freeze)
    return stay if end == stay.left_us else estimated(replace(stay, left_us=end), stay.left_us - end)


def _there_since(stay: OpenStay) -> int:
    """An instant, on the clock as it goes now, before which the participant did not join.

    A step back has moved the join to an earlier time. While a gap is in doubt, nothing is known of the join.
    """
    return 0 if stay.doubt_us else stay.identity.joined_us + min(0, stay.deducted_us)


def _uncounted(stay: OpenStay) -> int:
    """Time that is taken off the stay. Adding it to an end on the stay's clock gives the switch's time."""
    return stay.deducted_us + stay.doubt_us


def _not_beyond(stay: OpenStay, end: int, froze_us: int | None) -> int:
    """The end, but no later than a freeze that began at `froze_us`, if there was one."""
    return max(stay.identity.joined_us, end if froze_us is None else min(end, froze_us - _uncounted(stay)))


def unseen_since(stay: OpenStay, at: int, timeline: SwitchTimeline) -> int:
    """The earliest instant of a hidden end: the first hidden span since the stay was seen; `at` if there is none."""
    # A caller who was seen soon after a freeze may have left during it.
    froze_us = timeline.freeze_behind(stay.seen_us, _there_since(stay))
    seen = max(stay.identity.joined_us, stay.seen_us if froze_us is None else froze_us)
    # Only a span that is long enough for an exit and all lines after it hides an end.
    spans = [span for span in timeline.hidden_spans(at) if span.endings]
    if stay.deducted_us < 0 and spans:
        # The clock was set back during the stay: spans and join may be on different clocks.
        return stay.identity.joined_us + stay.deducted_us
    return min((max(seen, span.since_us) for span in spans if span.until_us >= seen), default=at)


def _exit_after(stay: OpenStay, at: int, timeline: SwitchTimeline) -> int:
    """The earliest instant of an exit that no line shows: the first hidden span after the join, else the join."""
    joined = stay.identity.joined_us
    if stay.deducted_us < 0:
        return joined + stay.deducted_us
    return min((span.since_us for span in timeline.hidden_spans(at) if span.until_us >= joined), default=joined)


def cut(stay: OpenStay, end: int, bound: int) -> OpenStay:
    """The stay, over at `end` less what its clock does not count, estimated."""
    end = max(stay.identity.joined_us, end - _uncounted(stay))
    return estimated(replace(stay, left_us=end), bound + stay.doubt_us)


def estimated(stay: OpenStay, more_us: int) -> OpenStay:
    """The stay, estimated, with so much more of an error bound."""
    return replace(stay, evidence=Evidence.ESTIMATED, error_bound_us=stay.error_bound_us + more_us)


# --- Why ----------------------------------------------------------------------------------------------------------
def closed_with_reason(
    stay: OpenStay, hangup: HungUp | None, rtp_timeout_us: int, timeline: SwitchTimeline
) -> MinuteRecord:
    """The stay that is over, closed for the reason that LEFT and HANGUP give, as far as these lines are there.

    `rtp_timeout_us` is how long the switch waited for audio, if LEFT does not say.
    """
    result, told_cause, quiet = [*stay.result.split(":"), "", ""][:3]
    assert stay.left_us is not None
    quiet_us = int(quiet) * SECOND_US if quiet.isdecimal() and len(quiet) < LONGEST_DIGITS else rtp_timeout_us
    heard = _without_silence(stay, timeline, quiet_us)
    if result in _RESULTS:
        return closed(stay if result == "DTMF" else heard, _RESULTS[result])
    match _hung_up_by(stay, hangup):
        case HungUpBy.CALLER:
            return closed(stay, Reason.HUNG_UP)
        case HungUpBy.OTHERS:
            return closed(heard, Reason.DROPPED)
        case HungUpBy.SWITCH_OR_UNKNOWN:  # pragma: no branch -- mypy shows that no other case is left
            cause = _cause(hangup, told_cause)
    if cause in (CAUSE_NO_MEDIA, None):
        # Without any cause it may have been for want of audio too.
        end = _silent_since(stay, stay.left_us - quiet_us - LISTENING_US, timeline)
        lost = estimated(replace(stay, left_us=end), stay.left_us - end)
        return closed(lost, Reason.MEDIA_LOST if cause == CAUSE_NO_MEDIA else Reason.DROPPED)
    if cause == CAUSE_DISCONNECTED:
        return closed(heard, Reason.DISCONNECTED)
    return closed(heard, Reason.SWITCH_STOPPED if cause == CAUSE_NORMAL else Reason.DROPPED)


def _hung_up_by(stay: OpenStay, hangup: HungUp | None) -> HungUpBy:
    if hangup is None or not hangup.source:
        return HungUpBy.SWITCH_OR_UNKNOWN
    return HungUpBy.CALLER if hangup.source == stay.channel else HungUpBy.OTHERS


def _cause(hangup: HungUp | None, told: str) -> int | None:
    """The Q.850 cause of HANGUP, or else of LEFT. None where neither line is left."""
    if hangup is not None:
        return hangup.cause
    return int(told) if told.isdecimal() else None


def _silent_since(stay: OpenStay, end: int, timeline: SwitchTimeline) -> int:
    """The real end of a stay's audio, which the switch took to have ended at `end`."""
    return _not_beyond(stay, end, timeline.freeze_behind(end + _uncounted(stay), _there_since(stay)))


def closed(stay: OpenStay, reason: Reason) -> MinuteRecord:
    """The stay that is over, closed for this reason."""
    assert stay.left_us is not None
    return MinuteRecord(stay, stay.left_us, reason, stay.evidence, stay.error_bound_us)
