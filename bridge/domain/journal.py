"""The fold: facts of the journal → calls and stays.

Order is guaranteed for each channel alone, so every rule here looks at one channel, and at the clock of the switch
as a whole. The rules:

- A stay is identified by what its BRIDGE_ENTER line says. The same line read again changes nothing.
- BRIDGE_EXIT ends it. Why is told by later lines of the channel (LEFT, then HANGUP), so the stay stays in memory,
  over but not yet closed, until one of them comes.
- An exit that comes within a second of waking from a freeze is stamped late: the stay ends where the freeze began,
  estimated. A freeze is a span of more than two seconds in which no line of any kind was written.
- A hang-up for want of audio ends the stay where the audio ended: the time-out earlier, estimated.
- A boot ends all that was open at the last line of the boot before: the last proof of life, estimated.
- An exit without a join is an incident for a person to look at, never a bill.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from bridge.domain import journal_line as facts
from bridge.domain import phone
from bridge.domain.journal_line import Fact, Garbage
from bridge.domain.minutes import Call, Evidence, Identity, MinuteRecord, OpenCall, OpenStay, Outcome, Reason

SECOND_US: Final = 1_000_000
FREEZE_US: Final = 2 * SECOND_US
WAKING_US: Final = SECOND_US
BEAT_US: Final = SECOND_US
CAUSE_NO_MEDIA: Final = 44
CAUSE_NORMAL: Final = 16

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


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the journal has shown so far of the switch's own life. Times are µs since 1970, 0 for never.

    `woke_us` is when the last freeze ended, `froze_us` when it began.
    """

    boot: str = ""
    last_us: int = 0
    froze_us: int = 0
    woke_us: int = 0


class Fold:
    """The state of one node's journal, up to some line of it. `apply` is the only way on."""

    def __init__(
        self,
        node: str,
        rtp_timeout_us: int,
        pulse: Pulse | None = None,
        calls: Iterable[OpenCall] = (),
        stays: Iterable[OpenStay] = (),
    ) -> None:
        self._node = node
        self._rtp_timeout_us = rtp_timeout_us
        self.pulse = pulse or Pulse()
        self._calls = {call.uniqueid: call for call in calls}
        self._stays = {stay.identity.uniqueid: stay for stay in stays}

    @property
    def calls(self) -> list[OpenCall]:
        """Calls that are not hung up."""
        return list(self._calls.values())

    @property
    def stays(self) -> list[OpenStay]:
        """Stays that are not closed."""
        return list(self._stays.values())

    def apply(self, fact: Fact | Garbage) -> list[Change]:
        """Take in the next line and say what it changes."""
        if isinstance(fact, Garbage):
            return [Incident(self.pulse.last_us, "garbage_line", fact.why)]
        if isinstance(fact, facts.Starting):
            return []
        if isinstance(fact, facts.Boot):
            return self._boot(fact)
        self._beat(fact.at)
        match fact:
            case facts.Called():
                return self._called(fact)
            case facts.Answered():
                return self._answered(fact)
            case facts.Entered():
                return self._entered(fact)
            case facts.Exited():
                return self._exited(fact)
            case facts.Left():
                return self._left(fact)
            case facts.Ended():
                return self._ended(fact)
            case facts.HungUp():
                return self._hung_up(fact.uniqueid, fact.at, fact.cause, fact.source)
            case facts.Gone():
                return self._hung_up(fact.uniqueid, fact.at, 0, "")
            case _:
                return []

    def _beat(self, at: int) -> None:
        pulse = self.pulse
        if pulse.last_us and at - pulse.last_us > FREEZE_US:
            self.pulse = replace(pulse, last_us=at, froze_us=pulse.last_us, woke_us=at)
        elif at > pulse.last_us:
            self.pulse = replace(pulse, last_us=at)

    def _boot(self, fact: facts.Boot) -> list[Change]:
        if fact.uniqueid == self.pulse.boot:
            return []
        last_us = self.pulse.last_us
        changes: list[Change] = []
        for stay in self._stays.values():
            if stay.left_us is None:
                end = max(stay.identity.joined_us, min(last_us, fact.at))
                changes.append(MinuteRecord(stay, end, Reason.SWITCH_LOST, Evidence.ESTIMATED, BEAT_US))
            else:
                changes.append(_closed(stay, _RESULTS.get(stay.result, Reason.DROPPED)))
        for call in self._calls.values():
            changes.append(Call(call, max(call.started_us, min(last_us, fact.at)), 0, Evidence.ESTIMATED))
        self._stays.clear()
        self._calls.clear()
        self.pulse = Pulse(boot=fact.uniqueid, last_us=fact.at)
        return changes

    def _called(self, fact: facts.Called) -> list[Change]:
        if fact.uniqueid in self._calls:
            return []
        return self._put_call(
            OpenCall(
                self._node,
                self.pulse.boot,
                fact.uniqueid,
                fact.channel,
                fact.caller,
                phone.dialled(fact.access_number),
                fact.sip_call_id,
                fact.at,
            )
        )

    def _answered(self, fact: facts.Answered) -> list[Change]:
        call = self._calls.get(fact.uniqueid)
        if call is None or call.answered_us is not None:
            return []
        outcome = Outcome.ABANDONED if fact.prompting else call.outcome
        return self._put_call(replace(call, answered_us=fact.at, outcome=outcome))

    def _ended(self, fact: facts.Ended) -> list[Change]:
        call = self._calls.get(fact.uniqueid)
        if call is None or call.outcome is Outcome.JOINED or fact.outcome not in _OUTCOMES:
            return []
        return self._put_call(replace(call, outcome=Outcome(fact.outcome)))

    def _entered(self, fact: facts.Entered) -> list[Change]:
        changes: list[Change] = []
        identity = Identity(self._node, fact.uniqueid, fact.bridge_id, fact.at)
        before = self._stays.get(fact.uniqueid)
        if before is not None:
            if before.identity == identity:
                return []
            if before.left_us is None:
                changes.append(Incident(fact.at, "join_without_exit", fact.uniqueid))
                before = replace(
                    before,
                    left_us=before.identity.joined_us,
                    evidence=Evidence.ESTIMATED,
                    error_bound_us=max(0, fact.at - before.identity.joined_us),
                )
            changes.append(_closed(before, Reason.LEFT_ROOM))
        call = self._calls.get(fact.uniqueid)
        if call is not None and call.outcome is not Outcome.JOINED:
            changes += self._put_call(replace(call, outcome=Outcome.JOINED))
        stay = OpenStay(
            identity,
            self.pulse.boot,
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
        self._stays[fact.uniqueid] = stay
        return [*changes, stay]

    def _exited(self, fact: facts.Exited) -> list[Change]:
        stay = self._stays.get(fact.uniqueid)
        if stay is None or stay.identity.bridge_id != fact.bridge_id:
            return [Incident(fact.at, "exit_without_join", fact.uniqueid)]
        if stay.left_us is not None:
            return []
        return self._put_stay(self._over(stay, fact.at))

    def _over(self, stay: OpenStay, at: int) -> OpenStay:
        """The stay, ended at `at` by the switch's own word, which is late when it has just woken."""
        joined, pulse = stay.identity.joined_us, self.pulse
        if pulse.woke_us and joined < pulse.woke_us <= at <= pulse.woke_us + WAKING_US:
            end = max(joined, pulse.froze_us)
            return replace(stay, left_us=end, evidence=Evidence.ESTIMATED, error_bound_us=max(0, at - end))
        if at < joined:
            return replace(stay, left_us=joined, evidence=Evidence.ESTIMATED, error_bound_us=0)
        return replace(stay, left_us=at)

    def _left(self, fact: facts.Left) -> list[Change]:
        stay = self._stays.get(fact.uniqueid)
        if stay is None or not fact.result:
            return []
        return self._put_stay(replace(stay, result=fact.result))

    def _hung_up(self, uniqueid: str, at: int, cause: int, source: str) -> list[Change]:
        changes: list[Change] = []
        stay = self._stays.pop(uniqueid, None)
        if stay is not None:
            if stay.left_us is None:
                changes.append(Incident(at, "hangup_without_exit", uniqueid))
                stay = replace(self._over(stay, at), evidence=Evidence.ESTIMATED)
            changes.append(self._explained(stay, cause, source))
        call = self._calls.pop(uniqueid, None)
        if call is not None:
            changes.append(Call(call, max(at, call.started_us), cause, Evidence.MEASURED))
        return changes

    def _explained(self, stay: OpenStay, cause: int, source: str) -> MinuteRecord:
        if stay.result in _RESULTS:
            return _closed(stay, _RESULTS[stay.result])
        if source:
            return _closed(stay, Reason.HUNG_UP if source == stay.channel else Reason.DROPPED)
        if cause == CAUSE_NO_MEDIA:
            assert stay.left_us is not None
            end = max(stay.identity.joined_us, stay.left_us - self._rtp_timeout_us)
            bound = stay.error_bound_us + stay.left_us - end
            stay = replace(stay, left_us=end, evidence=Evidence.ESTIMATED, error_bound_us=bound)
            return _closed(stay, Reason.MEDIA_LOST)
        return _closed(stay, Reason.SWITCH_STOPPED if cause == CAUSE_NORMAL else Reason.DROPPED)

    def _put_call(self, call: OpenCall) -> list[Change]:
        self._calls[call.uniqueid] = call
        return [call]

    def _put_stay(self, stay: OpenStay) -> list[Change]:
        self._stays[stay.identity.uniqueid] = stay
        return [stay]


def _closed(stay: OpenStay, reason: Reason) -> MinuteRecord:
    assert stay.left_us is not None
    return MinuteRecord(stay, stay.left_us, reason, stay.evidence, stay.error_bound_us)
