"""The fold: facts of the journal → calls and stays.

Order is guaranteed for each channel alone, so every rule here looks at one channel, and at the clock of the switch as a
whole. Where a line is missing, what is concluded from the others is never longer than what was, and never twice. The
rules:

Stays
- A stay is identified by what its BRIDGE_ENTER line says. The same line read again changes nothing. Each BRIDGE_ENTER
  of a channel begins a stay of its own, whether the caller left by a key and came back or was taken to another room.
- BRIDGE_EXIT ends it. Why is told by later lines of the channel (LEFT, then HANGUP), so the stay stays in memory, over
  but not yet closed, until one of them comes.
- An exit without a join: the join was at most SETTLING after the channel's APP_START, or by the beat after the last
  garbage that can have hidden it; estimated. If there is neither, nobody can say when, and it is an incident.
- A join without an exit: the end of the channel is at most TEARDOWN after the exit; estimated. If the channel joins
  again first, the exit was not before the beat before the first garbage since the join, or else right at the join.
- A hang-up for want of audio ends the stay where the audio ended: the time-out earlier, estimated. So does a hang-up of
  which no line says whether it was one.
- What the daemon journals of the rooms (ABSENT, PRESENT) ends a stay whose lines never came, at the last time it was
  seen in the room, and bounds a join that was never written.

The switch's life (switch_life)
- A boot ends all that was open at the last proof of life of the boot before, or, where a whole ending may be hidden
  since they were last known to be there, before that; estimated.
- An exit right after a freeze is stamped late: the stay ends where the freeze began, estimated.
- Until it is known whether a gap was a freeze or a step of the clock, a stay that ends is charged without it. Steps
  forward are taken off the stays that were open. A step back makes them shorter by itself; what it was at least is put
  back for those who were there at the beat before.
- What is read again changes nothing, and a channel that has ended never comes back. New lines right behind old ones
  are held back until a beat shows that they are new.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from bridge.domain import journal_line as facts
from bridge.domain import phone
from bridge.domain.journal_line import Fact, Garbage
from bridge.domain.minutes import (
    CAUSE_DISCONNECTED,
    Call,
    Evidence,
    Identity,
    MinuteRecord,
    OpenCall,
    OpenStay,
    Outcome,
    Reason,
)
from bridge.domain.switch_life import (
    FREEZE_US,
    STEP_US,
    BeatsMissing,
    Decided,
    Died,
    Doubted,
    Happening,
    Life,
    Mistaken,
    Pulse,
    WentBack,
)

SECOND_US: Final = 1_000_000
BEAT_US: Final = SECOND_US
"""How long the switch may have lived after its last proof of life."""
SETTLING_US: Final = SECOND_US
TEARDOWN_US: Final = 500_000
LISTENING_US: Final = SECOND_US
"""Asterisk looks for audio in whole seconds: it may notice the end of it so much later than `rtp_timeout` says."""
REVIVAL_US: Final = 6 * SECOND_US
"""How long a heart may stand still that a step of the clock has stopped."""
LONGEST: Final = 8
CAUSE_NO_MEDIA: Final = 44
CAUSE_NORMAL: Final = 16
ENDED: Final = 4096
"""So many channels that have ended are remembered, since none comes back."""

_OUTCOMES: Final = frozenset(outcome.value for outcome in Outcome)
_RESULTS: Final = {
    "KICKED": Reason.KICKED,
    "ENDMARKED": Reason.ENDED_BY_HOST,
    "DTMF": Reason.LEFT_ROOM,
    "TIMEOUT": Reason.LONGEST_STAY,
}


@dataclass(frozen=True, slots=True)
class Incident:
    """Something in the journal that an operator should see. Never billable."""

    at: int
    kind: str
    subject: str


Change = OpenCall | Call | OpenStay | MinuteRecord | Incident
"""What a fact changes, in order: rows to put, rows to close, incidents to tell. Putting one twice changes nothing."""


class Fold:
    """The state of one node's journal, up to some line of it. `apply` is the only way on."""

    def __init__(
        self,
        node: str,
        rtp_timeout_us: int,
        pulse: Pulse | None = None,
        calls: Iterable[OpenCall] = (),
        stays: Iterable[OpenStay] = (),
        ended: Iterable[str] = (),
    ) -> None:
        """`ended` are channels of the pulse's boot that have ended, the latest last."""
        pulse = pulse or Pulse()
        self._node = node
        self._rtp_timeout_us = rtp_timeout_us
        self._life = Life(pulse)
        self._calls = {call.uniqueid: call for call in calls}
        self._stays = {stay.identity.uniqueid: stay for stay in stays}
        self._entering = dict(pulse.entering)
        self._newcomers = dict.fromkeys(pulse.newcomers)
        self._ended: dict[str, None] = dict.fromkeys(ended)
        self._garbage_told = self._rest_of_start = False
        self._garbage_bytes = 0
        self._held: list[Fact] = []

    @property
    def pulse(self) -> Pulse:
        """What has been seen of the switch's life."""
        return self._life.pulse(tuple(self._entering.items()), tuple(self._newcomers))

    @property
    def calls(self) -> list[OpenCall]:
        """Calls that are not hung up."""
        return list(self._calls.values())

    @property
    def stays(self) -> list[OpenStay]:
        """Stays that are not closed."""
        return list(self._stays.values())

    @property
    def inside(self) -> frozenset[str]:
        """The channels that are in a room."""
        return frozenset(channel for channel, stay in self._stays.items() if stay.left_us is None)

    @property
    def doubtful(self) -> frozenset[str]:
        """The channels of those whose end may be hidden, for all that the journal shows."""
        at = self._life.line_us
        return frozenset(
            channel
            for channel, stay in self._stays.items()
            if stay.left_us is None and self._unseen_since(stay, at) < at
        )

    @property
    def waiting(self) -> frozenset[str]:
        """The channels that are not hung up, but in no room: in the dialogue, or on their way out."""
        over = (channel for channel, stay in self._stays.items() if stay.left_us is not None)
        return frozenset([*over, *(channel for channel in self._calls if channel not in self._stays)])

    @property
    def alive_us(self) -> int:
        """When the switch last said that it lives."""
        return self._life.alive_us

    def read_again(self) -> None:
        """From here on, lines may be read again."""
        self._life.read_again()

    def apply(self, fact: Fact | Garbage) -> list[Change]:
        """Take in the next fact and say what it changes."""
        match fact:
            case Garbage():
                return self._hide(fact)
            case facts.Starting():
                return []
            case facts.Boot():
                self._whole()
                self._held.clear()
                return self._happened(self._life.booted(fact))
            case facts.Alive():
                self._whole()
                changes = self._released(fact)
                changes += self._happened(self._life.beat(fact))
                self._newcomers.clear()
                return changes
            case facts.Torn(event="CHAN_START"):
                # The only line that a caller's own words can break. Nothing depends on it, nor on the rest of it.
                self._rest_of_start = True
                return []
            case _:
                self._whole()
        if fact.uniqueid in self._ended:
            return []
        if self._life.read_before(fact):
            if fact.at > self._life.line_us - STEP_US:
                self._held.append(fact)
            return []
        changes = self._happened(self._life.see(fact.at))
        call, stay = self._calls.get(fact.uniqueid), self._stays.get(fact.uniqueid)
        if call is not None or stay is not None:
            self._life.prove(fact.at, call.started_us if call else stay.identity.joined_us if stay else 0)
        return changes + self._taken(fact)

    def _released(self, beat: facts.Alive) -> list[Change]:
        """What was held back since it might have been read before: a beat that counts on shows that it was not."""
        held, self._held = self._held, []
        if not held or not self._life.goes_on(beat):
            return []
        self._life.go_on()
        return [change for fact in held for change in self.apply(fact)]

    def _taken(self, fact: Fact) -> list[Change]:
        match fact:
            case facts.Called():
                return self._called(fact)
            case facts.Answered():
                return self._answered(fact)
            case facts.Entering():
                return self._about_to_enter(fact)
            case facts.Entered():
                return self._entered(fact)
            case facts.Exited():
                return self._exited(fact)
            case facts.Left():
                return self._left(fact)
            case facts.Ended():
                return self._told_outcome(fact)
            case facts.HungUp():
                return self._hung_up(fact.uniqueid, fact.at, fact.cause, fact.source)
            case facts.Gone():
                return self._hung_up(fact.uniqueid, fact.at)
            case facts.Absent():
                return self._absent(fact)
            case facts.Present():
                return self._present(fact)
            case facts.Torn():
                return self._torn(fact)
            case _:
                return []

    # --- The switch's life --------------------------------------------------------------------------------------------
    def _happened(self, happenings: Iterable[Happening]) -> list[Change]:
        changes: list[Change] = []
        for happening in happenings:
            match happening:
                case Died(proved_us):
                    changes += self._died(proved_us)
                case Doubted(gap):
                    # Who was joining meanwhile joined after it, for all that is known.
                    self._entering = dict.fromkeys(self._entering, self._life.woke_us + SETTLING_US)
                    changes += self._change_open(partial(_doubted, gap))
                case Decided():
                    changes += self._change_open(partial(_decided, happening))
                case Mistaken(gap):
                    changes += self._change_open(partial(_doubted, -gap))
                case WentBack():
                    changes += self._change_open(partial(self._went_back, happening))
                case BeatsMissing(count):
                    changes.append(Incident(self._life.line_us, "beats_missing", str(count)))
        return changes

    def _died(self, proved_us: int) -> list[Change]:
        changes: list[Change] = []
        for stay in self._stays.values():
            if stay.left_us is None:
                end = min(proved_us, self._unseen_since(stay, proved_us))
                changes.append(_closed(_cut(stay, end, proved_us - end + BEAT_US), Reason.SWITCH_LOST))
            else:
                changes.append(self._explained(stay, None, ""))
        for call in self._calls.values():
            changes.append(Call(call, max(call.started_us, proved_us), 0, Evidence.ESTIMATED))
        for left in (self._stays, self._calls, self._entering, self._newcomers, self._ended):
            left.clear()
        return changes

    def _went_back(self, back: WentBack, stay: OpenStay) -> OpenStay:
        """The stay, once the clock was stepped back: what its gaps were, nobody will say any more. Who was there at the
        last beat before is there since so much longer."""
        more = back.step_us if back.shows and stay.identity.uniqueid not in self._newcomers else 0
        settled = replace(stay, deducted_us=stay.deducted_us + stay.doubt_us - more, doubt_us=0)
        return _estimated(REVIVAL_US if more else back.step_us, settled)

    def _change_open(self, change: Callable[[OpenStay], OpenStay]) -> list[Change]:
        changes: list[Change] = []
        for stay in list(self._stays.values()):
            changed = change(stay) if stay.left_us is None else stay
            if changed != stay:
                changes += self._put_stay(changed)
        return changes

    def _hide(self, garbage: Garbage) -> list[Change]:
        """Garbage: of a row of such lines, the first is told."""
        if self._life.reading_again() or self._rest_of_start:
            return []
        self._garbage_bytes += garbage.size
        self._life.hide(self._garbage_bytes)
        first, self._garbage_told = not self._garbage_told, True
        return [Incident(self._life.line_us, "garbage_line", garbage.why)] if first else []

    def _whole(self) -> None:
        """A line that is whole ends a row of garbage."""
        self._garbage_told = self._rest_of_start = False
        self._garbage_bytes = 0

    # --- Calls --------------------------------------------------------------------------------------------------------
    def _called(self, fact: facts.Called) -> list[Change]:
        if fact.uniqueid in self._calls:
            return []
        call = self._new_call(fact.uniqueid, fact.channel, fact.caller, fact.at)
        number = phone.dialled(fact.access_number)
        return self._put_call(replace(call, access_number=number, sip_call_id=fact.sip_call_id))

    def _unknown_call(self, fact: facts.Answered | facts.Entering | facts.Entered) -> list[Change]:
        """A call whose CALLED line is lost."""
        if fact.uniqueid in self._calls or not fact.channel.startswith("PJSIP/"):
            return []
        call = self._new_call(fact.uniqueid, fact.channel, fact.caller, fact.at)
        return self._put_call(replace(call, evidence=Evidence.ESTIMATED))

    def _new_call(self, uniqueid: str, channel: str, caller: str, at: int) -> OpenCall:
        return OpenCall(self._node, self._life.boot, uniqueid, channel, caller, "", "", at)

    def _answered(self, fact: facts.Answered) -> list[Change]:
        changes = self._unknown_call(fact)
        call = self._calls.get(fact.uniqueid)
        if call is None or call.answered_us is not None:
            return changes
        outcome = Outcome.ABANDONED if fact.prompting else call.outcome
        return changes + self._put_call(replace(call, answered_us=fact.at, outcome=outcome))

    def _told_outcome(self, fact: facts.Ended) -> list[Change]:
        call = self._calls.get(fact.uniqueid)
        if call is None:
            return []
        told = call if call.sip_call_id else replace(call, sip_call_id=fact.sip_call_id)
        if call.outcome is not Outcome.JOINED and fact.outcome in _OUTCOMES:
            told = replace(told, outcome=Outcome(fact.outcome))
        return self._put_call(told) if told != call else []

    # --- Stays --------------------------------------------------------------------------------------------------------
    def _about_to_enter(self, fact: facts.Entering) -> list[Change]:
        stay = self._stays.get(fact.uniqueid)
        if stay is not None and fact.at <= stay.identity.joined_us:
            return []  # read again
        self._entering[fact.uniqueid] = fact.at + SETTLING_US
        return self._unknown_call(fact)

    def _entered(self, fact: facts.Entered) -> list[Change]:
        changes: list[Change] = []
        self._entering.pop(fact.uniqueid, None)
        before = self._stays.get(fact.uniqueid)
        if before is not None:
            if before.identity == Identity(self._node, fact.uniqueid, fact.bridge_id, fact.at):
                return []
            if before.left_us is None:
                changes.append(Incident(fact.at, "exit_unseen", fact.uniqueid))
                joined = before.identity.joined_us
                before = _cut(before, self._exit_after(before, fact.at), 0)
                bound = max(0, fact.at - joined)
                before = replace(before, error_bound_us=max(before.error_bound_us, bound))
            changes.append(_closed(before, Reason.LEFT_ROOM))
        self._life.unprove(fact.at)
        self._newcomers[fact.uniqueid] = None
        changes += self._unknown_call(fact)
        call = self._calls.get(fact.uniqueid)
        if call is not None and call.outcome is not Outcome.JOINED:
            changes += self._put_call(replace(call, outcome=Outcome.JOINED))
        return changes + self._put_stay(self._stay(fact, fact.at))

    def _stay(self, fact: facts.Participation, joined_us: int) -> OpenStay:
        call = self._calls.get(fact.uniqueid)
        return OpenStay(
            Identity(self._node, fact.uniqueid, fact.bridge_id, joined_us),
            self._life.boot,
            fact.room,
            fact.account_id,
            fact.sub_account_id,
            fact.passcode_id,
            fact.role,
            fact.project_code,
            fact.channel,
            fact.caller,
            call.access_number if call else "",
        )

    def _exited(self, fact: facts.Exited) -> list[Change]:
        stay = self._stays.get(fact.uniqueid)
        if stay is None:
            return self._exited_unseen(fact)
        if stay.left_us is not None:
            if fact.uniqueid not in self._entering:
                return []
            # The caller came back, and that line is lost.
            return [_closed(stay, Reason.LEFT_ROOM), *self._exited_unseen(fact)]
        if stay.identity.bridge_id != fact.bridge_id:
            return [Incident(fact.at, "exit_without_join", fact.uniqueid)]
        return self._put_stay(self._over(stay, fact.at))

    def _exited_unseen(self, fact: facts.Exited) -> list[Change]:
        """An exit whose join no line shows: estimated, if anything says by when it was."""
        by = self._joined_by(fact)
        if by is None:
            return [Incident(fact.at, "exit_without_join", fact.uniqueid)]
        call = self._calls.get(fact.uniqueid)
        changes: list[Change] = [Incident(fact.at, "join_unseen", fact.uniqueid)]
        if call is not None and call.outcome is not Outcome.JOINED:
            changes += self._put_call(replace(call, outcome=Outcome.JOINED))
        joined = min(by, fact.at)
        since = call.started_us if call else joined - SETTLING_US
        stay = _estimated(max(0, joined - since), self._stay(fact, joined))
        self._newcomers[fact.uniqueid] = None
        return changes + self._put_stay(self._over(stay, fact.at))

    def _joined_by(self, fact: facts.Exited) -> int | None:
        """By when a channel whose join was not seen had joined, or None if nothing tells."""
        by = self._entering.pop(fact.uniqueid, None)
        call = self._calls.get(fact.uniqueid)
        if by is None and call is not None:
            since = call.started_us
            by = max((span.until_us for span in self._life.hidden(fact.at) if span.until_us > since), default=None)
        return by

    def _unseen_since(self, stay: OpenStay, at: int) -> int:
        """An instant that an end of which no line is left was not before, `at` if nothing can hide one."""
        there = max(stay.identity.joined_us, stay.seen_us)
        spans = [span for span in self._life.hidden(at) if span.endings]
        if stay.deducted_us < 0 and spans:
            return stay.identity.joined_us + stay.deducted_us  # spans and stay may be of different clocks
        return min((max(there, span.since_us) for span in spans if span.until_us >= there), default=at)

    def _exit_after(self, stay: OpenStay, at: int) -> int:
        """An instant that an exit which no line shows was not before: garbage after the join hides it, if anything."""
        joined, hidden = stay.identity.joined_us, self._life.hidden(at)
        if stay.deducted_us < 0:
            return joined + stay.deducted_us
        return min((span.since_us for span in hidden if span.until_us >= joined), default=joined)

    def _over(self, stay: OpenStay, at: int) -> OpenStay:
        """The stay, ended at `at` by the switch's own word, which is late when it has just woken."""
        joined, life = stay.identity.joined_us, self._life
        # Who was there in the gap is in doubt, whatever a clock that was stepped said when they joined.
        if life.waking(at, 0 if stay.doubt_us else joined):
            awake = replace(stay, doubt_us=max(0, stay.doubt_us - (life.woke_us - life.froze_us)))
            return _cut(awake, life.froze_us, max(0, at - life.froze_us))
        if life.went_back(at):
            # No beat has said so yet. Who was there at the last one was there until then at least.
            there = stay.identity.uniqueid not in self._newcomers
            return _cut(stay, life.alive_us if there else at, REVIVAL_US if there else life.alive_us - at + REVIVAL_US)
        if at < joined or stay.doubt_us or stay.deducted_us:
            return _cut(stay, at, 0)
        return replace(stay, left_us=at)

    def _left(self, fact: facts.Left) -> list[Change]:
        stay = self._stays.get(fact.uniqueid)
        if stay is None or stay.result:
            return []
        told = replace(stay, result=fact.why)
        if told.left_us is not None:
            return self._put_stay(told)
        return [Incident(fact.at, "exit_unseen", fact.uniqueid), *self._put_stay(self._gone(told, fact.at))]

    def _gone(self, stay: OpenStay, at: int) -> OpenStay:
        """The stay of a channel that has ended, although no line says when it left."""
        over = self._over(stay, at)
        assert over.left_us is not None
        end = max(stay.identity.joined_us, over.left_us - TEARDOWN_US)
        return _estimated(over.left_us - end, replace(over, left_us=end))

    def _hung_up(self, uniqueid: str, at: int, cause: int | None = None, source: str = "") -> list[Change]:
        changes: list[Change] = []
        self._entering.pop(uniqueid, None)
        stay = self._stays.pop(uniqueid, None)
        if stay is not None:
            if stay.left_us is None:
                changes.append(Incident(at, "exit_unseen", uniqueid))
                stay = self._gone(stay, at)
            changes.append(self._explained(stay, cause, source))
        call = self._calls.pop(uniqueid, None)
        if call is not None:
            changes.append(Call(call, max(at, call.started_us), cause or 0, call.evidence))
        self._end(uniqueid)
        return changes

    def _end(self, uniqueid: str) -> None:
        self._ended[uniqueid] = None
        if len(self._ended) > ENDED:
            del self._ended[next(iter(self._ended))]

    def _explained(self, stay: OpenStay, cause: int | None, source: str) -> MinuteRecord:
        result, told, quiet = [*stay.result.split(":"), "", ""][:3]
        if result in _RESULTS:
            return _closed(stay, _RESULTS[result])
        if cause is None and told.isdecimal():
            cause = int(told)
        if source:
            return _closed(stay, Reason.HUNG_UP if source == stay.channel else Reason.DROPPED)
        if cause in (CAUSE_NO_MEDIA, None):
            assert stay.left_us is not None
            quiet_us = int(quiet) * SECOND_US if quiet.isdecimal() and len(quiet) < LONGEST else self._rtp_timeout_us
            end = max(stay.identity.joined_us, stay.left_us - quiet_us - LISTENING_US)
            lost = _estimated(stay.left_us - end, replace(stay, left_us=end))
            return _closed(lost, Reason.MEDIA_LOST if cause == CAUSE_NO_MEDIA else Reason.DROPPED)
        if cause == CAUSE_DISCONNECTED:
            return _closed(stay, Reason.DISCONNECTED)
        return _closed(stay, Reason.SWITCH_STOPPED if cause == CAUSE_NORMAL else Reason.DROPPED)

    # --- Lines that others stand in for -------------------------------------------------------------------------------
    def _torn(self, fact: facts.Torn) -> list[Change]:
        """The head of a line says what happened, to whom and when; the rest is in other lines of the channel."""
        changes: list[Change] = [Incident(fact.at, "torn_line", fact.event)]
        stay = self._stays.get(fact.uniqueid)
        match fact.event:
            case "BRIDGE_ENTER" if stay is None:
                self._entering[fact.uniqueid] = fact.at
            case "BRIDGE_EXIT" if stay is not None and stay.left_us is None:
                changes += self._put_stay(_estimated(0, self._over(stay, fact.at)))
            case "HANGUP" | "CHAN_END":
                changes += self._hung_up(fact.uniqueid, fact.at)
            case _:
                pass
        return changes

    def _absent(self, fact: facts.Absent) -> list[Change]:
        changes: list[Change] = []
        stay = self._stays.pop(fact.subject, None)
        if stay is not None:
            changes.append(Incident(fact.at, "stay_without_end", fact.subject))
            if stay.left_us is None:
                seen_us = min(max(fact.seen_us, stay.seen_us, stay.identity.joined_us), fact.at)
                changes.append(_closed(_cut(stay, seen_us, max(0, fact.at - seen_us)), Reason.DROPPED))
            else:
                changes.append(self._explained(stay, None, ""))
        call = self._calls.pop(fact.subject, None)
        if call is not None:
            end = max(call.started_us, min(fact.seen_us or fact.at, fact.at))
            changes.append(Call(call, end, 0, Evidence.ESTIMATED))
        self._end(fact.subject)
        return changes

    def _present(self, fact: facts.Present) -> list[Change]:
        changes: list[Change] = []
        for subject in fact.subjects:
            stay = self._stays.get(subject)
            if stay is not None and stay.left_us is None:
                changes += self._put_stay(replace(stay, seen_us=max(stay.seen_us, min(fact.seen_us, fact.at))))
            elif stay is None and subject not in self._ended:
                self._entering.setdefault(subject, fact.at)
                changes.append(Incident(fact.at, "join_unseen", subject))
        return changes

    def _put_call(self, call: OpenCall) -> list[Change]:
        self._calls[call.uniqueid] = call
        return [call]

    def _put_stay(self, stay: OpenStay) -> list[Change]:
        self._stays[stay.identity.uniqueid] = stay
        return [stay]


def _cut(stay: OpenStay, end: int, bound: int) -> OpenStay:
    """The stay, over at `end` less what its clock does not count, estimated."""
    end = max(stay.identity.joined_us, end - stay.deducted_us - stay.doubt_us)
    return _estimated(bound + stay.doubt_us, replace(stay, left_us=end))


def _doubted(gap_us: int, stay: OpenStay) -> OpenStay:
    return replace(stay, doubt_us=max(0, stay.doubt_us + gap_us))


def _decided(decided: Decided, stay: OpenStay) -> OpenStay:
    """The stay, once it is known what the gaps in it were."""
    if not decided.step_us or (decided.in_gap and not stay.doubt_us):
        return replace(stay, doubt_us=0)
    # Where the gaps were more than this step, steps back may be in between that hide others forward.
    step = decided.step_us if stay.doubt_us <= decided.step_us + FREEZE_US else stay.doubt_us
    known = replace(stay, deducted_us=stay.deducted_us + step, doubt_us=0)
    return _estimated(0 if decided.in_gap else step, known)


def _estimated(more_us: int, stay: OpenStay) -> OpenStay:
    return replace(stay, evidence=Evidence.ESTIMATED, error_bound_us=stay.error_bound_us + more_us)


def _closed(stay: OpenStay, reason: Reason) -> MinuteRecord:
    assert stay.left_us is not None
    return MinuteRecord(stay, stay.left_us, reason, stay.evidence, stay.error_bound_us)
