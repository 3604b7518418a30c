"""How a stay ends: when, as far as the lines that are left tell, and why. Values in, values out.

- The switch's own word counts, unless it is late: an exit right after a freeze ends the stay where the freeze began.
- Where no line shows the exit, the end of the channel is at most TEARDOWN after it. If the channel joins again first,
  the exit was not before the beat before the first garbage since the join, or else right at the join.
- A hang-up for want of audio ends the stay where the audio ended: the time-out earlier. So does a hang-up of which no
  line says whether it was one. A switch that wakes from a freeze takes what the kernel kept of the audio for new: who
  fell silent then fell silent where the freeze began.
- Where a freeze was so long that a BYE was given up in it, who was there is known to have been so since when they hang
  up, or when the switch has waited for their audio. Ended otherwise before that, they were there until it began.
- Who was there when the switch died was so until its last proof of life, or, where a whole ending may be hidden since
  they were last known to be there, until before that.

All but the first are estimated.
"""

from dataclasses import replace
from typing import Final

from bridge.domain.metering.records import CAUSE_DISCONNECTED, Evidence, MinuteRecord, OpenStay, Reason
from bridge.domain.metering.switch_timeline import REVIVAL_US, SwitchTimeline
from bridge.domain.period import SECOND_US

BEAT_US: Final = SECOND_US
"""How long the switch may have lived after its last proof of timeline."""
TEARDOWN_US: Final = 500_000
LISTENING_US: Final = SECOND_US
"""Asterisk looks for audio in whole seconds: it may notice the end of it so much later than `rtp_timeout` says."""
LONGEST: Final = 8
CAUSE_NO_MEDIA: Final = 44
CAUSE_NORMAL: Final = 16

_RESULTS: Final = {
    "KICKED": Reason.KICKED,
    "ENDMARKED": Reason.ENDED_BY_HOST,
    "DTMF": Reason.LEFT_ROOM,
    "TIMEOUT": Reason.LONGEST_STAY,
}


# --- When ---------------------------------------------------------------------------------------------------------
def ended_by_exit(stay: OpenStay, at: int, timeline: SwitchTimeline, newcomer: bool) -> OpenStay:
    """The stay, ended at `at` by the switch's own word, which is late when it has just woken.

    A `newcomer` joined after the last beat.
    """
    joined = stay.identity.joined_us
    if found_gone := _on_waking(stay, at, timeline):
        return found_gone
    if timeline.is_step_back(at):
        # No beat has said so yet. Who was there at the last one was there until then at least.
        end, bound = (at, timeline.alive_us - at + REVIVAL_US) if newcomer else (timeline.alive_us, REVIVAL_US)
        return cut(stay, end, bound)
    if at < joined or stay.doubt_us or stay.deducted_us:
        return cut(stay, at, 0)
    return replace(stay, left_us=at)


def ended_by_uncertain_exit(stay: OpenStay, at: int, timeline: SwitchTimeline, newcomer: bool) -> OpenStay:
    """The stay, ended at `at` by a line that does not say of which bridge, or in which the stay was: where an exit and
    another join may be hidden, it is not known to have lasted."""
    end = unseen_since(stay, at, timeline)
    return ended_by_exit(stay, at, timeline, newcomer) if end >= at else cut(stay, end, at - end)


def ended_with_channel(stay: OpenStay, at: int, timeline: SwitchTimeline, newcomer: bool) -> OpenStay:
    """The stay of a channel that has ended by `at`, although no line says when it left."""
    if timeline.is_step_back(at) and at >= stay.identity.joined_us:
        # The clock went back, or this is read again, and what went before it was lost the first time.
        return cut(stay, at - TEARDOWN_US, timeline.alive_us - at + TEARDOWN_US)
    ended = ended_by_exit(stay, at, timeline, newcomer)
    assert ended.left_us is not None
    end = max(stay.identity.joined_us, ended.left_us - TEARDOWN_US)
    return estimated(replace(ended, left_us=end), ended.left_us - end)


def ended_by_rejoining(stay: OpenStay, at: int, timeline: SwitchTimeline) -> OpenStay:
    """The stay of a channel that joined again at `at`, although no line says when it left."""
    end = _exit_after(stay, at, timeline)
    left = _on_waking(stay, end, timeline) or cut(stay, end, 0)
    return replace(left, error_bound_us=max(left.error_bound_us, at - stay.identity.joined_us))


def _on_waking(stay: OpenStay, at: int, timeline: SwitchTimeline) -> OpenStay | None:
    """The stay, ended where the switch froze, if `at` is so shortly after that as to be late."""
    froze_us = timeline.freeze_behind(at, _there_since(stay))
    if froze_us is None:
        return None
    # The gaps from there on are no part of what is charged, so that they put nothing else in doubt.
    awake = replace(stay, doubt_us=max(0, stay.doubt_us - timeline.gaps_since(froze_us)))
    return cut(awake, froze_us, max(0, at - froze_us))


def ended_by_absence(stay: OpenStay, at: int, seen_us: int, timeline: SwitchTimeline) -> OpenStay:
    """The stay of a channel that is in no room at `at`, and was last seen in one at `seen_us`."""
    end = min(max(seen_us, stay.seen_us, stay.identity.joined_us), at)
    # A switch that has just woken still has those in its rooms who left while it was frozen.
    left = _on_waking(stay, end, timeline) or cut(stay, end, 0)
    return estimated(left, max(0, at - end))


def ended_with_switch(stay: OpenStay, proved_us: int, timeline: SwitchTimeline, rtp_timeout_us: int) -> OpenStay:
    """The stay of a channel that was there when the switch died, which lived until `proved_us` at least."""
    end = min(proved_us, unseen_since(stay, proved_us, timeline))
    left = _on_waking(stay, end, timeline) or cut(stay, end, 0)
    return _heard(estimated(left, proved_us - end + BEAT_US), timeline, rtp_timeout_us)


def _heard(stay: OpenStay, timeline: SwitchTimeline, quiet_us: int) -> OpenStay:
    """The stay that is over, not by the caller's own word: without what they may not have heard of it."""
    assert stay.left_us is not None
    at = stay.left_us + _uncounted(stay)
    end = _until(stay, stay.left_us, timeline.freeze_before_silence(at, _there_since(stay), quiet_us + LISTENING_US))
    return stay if end == stay.left_us else estimated(replace(stay, left_us=end), stay.left_us - end)


def _there_since(stay: OpenStay) -> int:
    """Return an instant of the clock as it goes now that the participant joined no earlier than.

    A step back has moved the join to an earlier time. While a gap is in doubt, nothing is known of the join.
    """
    return 0 if stay.doubt_us else stay.identity.joined_us + min(0, stay.deducted_us)


def _uncounted(stay: OpenStay) -> int:
    """What the clock has taken off the stay, or may have."""
    return stay.deducted_us + stay.doubt_us


def _until(stay: OpenStay, end: int, froze_us: int | None) -> int:
    """The end, but no later than a freeze, if there was one that began at `froze_us`."""
    return max(stay.identity.joined_us, end if froze_us is None else min(end, froze_us - _uncounted(stay)))


def unseen_since(stay: OpenStay, at: int, timeline: SwitchTimeline) -> int:
    """An instant that an end of which no line is left was not before, `at` if nothing can hide one."""
    froze_us = timeline.freeze_behind(stay.seen_us, _there_since(stay))
    there = max(stay.identity.joined_us, stay.seen_us if froze_us is None else froze_us)
    spans = [span for span in timeline.hidden_spans(at) if span.endings]
    if stay.deducted_us < 0 and spans:
        return stay.identity.joined_us + stay.deducted_us  # spans and stay may be of different clocks
    return min((max(there, span.since_us) for span in spans if span.until_us >= there), default=at)


def _exit_after(stay: OpenStay, at: int, timeline: SwitchTimeline) -> int:
    """An instant that an exit which no line shows was not before: garbage after the join hides it, if anything."""
    joined = stay.identity.joined_us
    if stay.deducted_us < 0:
        return joined + stay.deducted_us
    return min((span.since_us for span in timeline.hidden_spans(at) if span.until_us >= joined), default=joined)


def cut(stay: OpenStay, end: int, bound: int) -> OpenStay:
    """The stay, over at `end` less what its clock does not count, estimated."""
    end = max(stay.identity.joined_us, end - stay.deducted_us - stay.doubt_us)
    return estimated(replace(stay, left_us=end), bound + stay.doubt_us)


def estimated(stay: OpenStay, more_us: int) -> OpenStay:
    """The stay, estimated, with so much more of an error bound."""
    return replace(stay, evidence=Evidence.ESTIMATED, error_bound_us=stay.error_bound_us + more_us)


# --- Why ----------------------------------------------------------------------------------------------------------
def closed_with_reason(
    stay: OpenStay, cause: int | None, source: str, rtp_timeout_us: int, timeline: SwitchTimeline
) -> MinuteRecord:
    """The stay, closed for the reason that LEFT and the hang-up (`cause` and `source`, as far as known) tell.

    `rtp_timeout_us` is how long the switch waited for audio, if LEFT does not say.
    """
    result, told, quiet = [*stay.result.split(":"), "", ""][:3]
    assert stay.left_us is not None
    quiet_us = int(quiet) * SECOND_US if quiet.isdecimal() and len(quiet) < LONGEST else rtp_timeout_us
    heard = _heard(stay, timeline, quiet_us)
    if result in _RESULTS:
        return closed(stay if result == "DTMF" else heard, _RESULTS[result])
    if cause is None and told.isdecimal():
        cause = int(told)
    if source:
        return closed(stay, Reason.HUNG_UP) if source == stay.channel else closed(heard, Reason.DROPPED)
    if cause in (CAUSE_NO_MEDIA, None):
        end = _silent_since(stay, stay.left_us - quiet_us - LISTENING_US, timeline)
        lost = estimated(replace(stay, left_us=end), stay.left_us - end)
        return closed(lost, Reason.MEDIA_LOST if cause == CAUSE_NO_MEDIA else Reason.DROPPED)
    if cause == CAUSE_DISCONNECTED:
        return closed(heard, Reason.DISCONNECTED)
    return closed(heard, Reason.SWITCH_STOPPED if cause == CAUSE_NORMAL else Reason.DROPPED)


def _silent_since(stay: OpenStay, end: int, timeline: SwitchTimeline) -> int:
    """When the audio of a stay ended that the switch took to have ended at `end`."""
    return _until(stay, end, timeline.freeze_behind(end + _uncounted(stay), _there_since(stay)))


def closed(stay: OpenStay, reason: Reason) -> MinuteRecord:
    """The stay that is over, closed for this reason."""
    assert stay.left_us is not None
    return MinuteRecord(stay, stay.left_us, reason, stay.evidence, stay.error_bound_us)
