"""The fold: facts of the journal → calls and stays.

Order is guaranteed for each channel alone, so every rule looks at one channel, and at the clock of the switch as a
whole. Where a line is missing, what is concluded from the others is never longer than what was, and never twice. The
rules stand beside what they are about: of calls in `open_calls`; of stays in `open_stays`, of how they end in
`endings`, of what the clock takes off them in `deductions`; of the switch's boots, freezes and gaps in `switch_life`.
Here:

- A boot ends all that was open.
- What is read again changes nothing, and a channel that has ended never comes back. New lines right behind old ones
  are held back until a beat shows that they are new.
- Garbage changes nothing but what may be hidden by it; of a row of such lines, the first is told.
"""

from collections.abc import Iterable
from typing import Final

from bridge.domain.metering import journal_line as facts
from bridge.domain.metering.journal_line import Fact, Garbage
from bridge.domain.metering.open_calls import OpenCalls
from bridge.domain.metering.open_stays import OpenStays
from bridge.domain.metering.records import Change, Incident, OpenCall, OpenStay
from bridge.domain.metering.switch_timeline import (
    STEP_US,
    BootEnded,
    HeartbeatsMissing,
    SwitchState,
    SwitchTimeline,
    TimelineEvent,
)

ENDED: Final = 4096
"""So many channels that have ended are remembered, since none comes back."""


class Fold:
    """The state of one node's journal, up to some line of it. `apply` is the only way on."""

    def __init__(
        self,
        node: str,
        rtp_timeout_us: int,
        switch_state: SwitchState | None = None,
        calls: Iterable[OpenCall] = (),
        stays: Iterable[OpenStay] = (),
        ended: Iterable[str] = (),
    ) -> None:
        """`ended` are channels of the switch state's boot that have ended, the latest last."""
        switch_state = switch_state or SwitchState()
        self._timeline = SwitchTimeline(switch_state)
        self._calls = OpenCalls(node, self._timeline, calls)
        self._stays = OpenStays(node, rtp_timeout_us, self._timeline, self._calls, switch_state, stays)
        self._ended: dict[str, None] = dict.fromkeys(ended)
        self._garbage_told = self._rest_of_start = False
        self._garbage_bytes = 0
        self._held: list[Fact] = []

    @property
    def switch_state(self) -> SwitchState:
        """What has been seen of the switch's timeline."""
        return self._timeline.state(self._stays.entering, self._stays.newcomers)

    @property
    def calls(self) -> list[OpenCall]:
        """Calls that are not hung up."""
        return list(self._calls)

    @property
    def stays(self) -> list[OpenStay]:
        """Stays that are not closed."""
        return list(self._stays)

    @property
    def inside(self) -> frozenset[str]:
        """The channels that are in a room."""
        return self._stays.inside

    @property
    def doubtful(self) -> frozenset[str]:
        """The channels of those whose end may be hidden, for all that the journal shows."""
        return self._stays.doubtful

    @property
    def waiting(self) -> frozenset[str]:
        """The channels that are not hung up, but in no room: in the dialogue, or on their way out."""
        return frozenset(self._calls.channels | self._stays.channels) - self.inside

    @property
    def alive_us(self) -> int:
        """When the switch last said that it lives."""
        return self._timeline.alive_us

    @property
    def held(self) -> Fact | None:
        """The first of those that are held back: what is read from here on is not in the state yet."""
        return self._held[0] if self._held else None

    def expect_replay(self) -> None:
        """From here on, lines may be read again."""
        self._timeline.expect_replay()

    def apply(self, fact: Fact | Garbage) -> list[Change]:
        """Take in the next fact and say what it changes."""
        match fact:
            case Garbage():
                return self._hide(fact)
            case facts.HeartbeatStarting():
                return []
            case facts.Boot():
                self._whole()
                self._held.clear()
                return self._happened(self._timeline.booted(fact))
            case facts.Alive():
                self._whole()
                changes = self._released(fact)
                changes += self._happened(self._timeline.heartbeat(fact))
                if not self._timeline.is_replaying():
                    self._stays.heartbeat()
                return changes
            case facts.TornLine(event="CHAN_START"):
                # The only line that a caller's own words can break. Nothing depends on it, nor on the rest of it.
                self._rest_of_start = True
                return []
            case _:
                self._whole()
        if fact.uniqueid in self._ended:
            return []
        earlier = self._timeline.is_before_boot(fact.at)
        if earlier and not self._is_there(fact.uniqueid):
            self._timeline.expect_replay()
        if self._timeline.may_be_replayed(fact):
            if earlier or self._is_newer(fact) or self._timeline.may_be_replaying():
                self._held.append(fact)
            return []
        changes = self._happened(self._timeline.line_written(fact.at))
        call, stay = self._calls.get(fact.uniqueid), self._stays.get(fact.uniqueid)
        if call is not None or stay is not None:
            self._timeline.prove_alive(fact.at, call.started_us if call else stay.identity.joined_us if stay else 0)
        return changes + self._taken(fact)

    def _released(self, alive: facts.Alive) -> list[Change]:
        """What was held back since it might have been read before: a beat that counts on shows that it was not."""
        held, self._held = self._held, []
        if not self._timeline.counts_on(alive):
            return []
        if not self._timeline.is_step_back(alive.at):
            held = [fact for fact in held if self._timeline.is_before_boot(fact.at) or self._is_newer(fact)]
        early = any(self._timeline.is_before_boot(fact.at) for fact in held)
        if self._timeline.is_before_boot(alive.at) or (early and self._timeline.is_step_back(alive.at)):
            self._timeline.forget_boot_start()
        elif held:
            held = [
                fact for fact in held if not self._timeline.is_before_boot(fact.at) or self._is_there(fact.uniqueid)
            ]
        self._timeline.end_replay()
        return [change for fact in held for change in self.apply(fact)]

    def _is_newer(self, fact: Fact) -> bool:
        """Whether this is newer than all that was read, but for a step of the clock too small to be one."""
        return fact.at > self._timeline.line_us - STEP_US

    def _is_there(self, uniqueid: str) -> bool:
        """Whether this channel is one of this boot: none outlives its boot."""
        return self._calls.get(uniqueid) is not None or self._stays.get(uniqueid) is not None

    def _taken(self, fact: Fact) -> list[Change]:  # noqa: C901 -- one case for each kind of fact
        match fact:
            case facts.Called():
                return self._calls.called(fact)
            case facts.Answered():
                return self._calls.answered(fact)
            case facts.Entering():
                return self._stays.about_to_enter(fact)
            case facts.Entered():
                return self._stays.entered(fact)
            case facts.Exited():
                return self._stays.exited(fact)
            case facts.Left():
                return self._stays.left(fact)
            case facts.DialogueEnded():
                return self._calls.dialogue_ended(fact)
            case facts.HungUp():
                return self._hung_up(fact.uniqueid, fact.at, fact.cause, fact.source)
            case facts.Gone():
                return self._hung_up(fact.uniqueid, fact.at)
            case facts.Absent():
                return self._absent(fact)
            case facts.Present():
                return self._present(fact)
            case facts.TornLine():
                return self._torn(fact)
            case _:
                return []

    # --- The switch's life --------------------------------------------------------------------------------------------
    def _happened(self, happenings: Iterable[TimelineEvent]) -> list[Change]:
        changes: list[Change] = []
        for happening in happenings:
            match happening:
                case BootEnded():
                    changes += self._stays.died(happening)
                    changes += self._calls.died(happening)
                    self._ended.clear()
                case HeartbeatsMissing(count):
                    changes.append(Incident(self._timeline.line_us, "beats_missing", str(count)))
                case _:
                    changes += self._stays.timed(happening)
        return changes

    def _hide(self, garbage: Garbage) -> list[Change]:
        if self._timeline.is_replaying() or self._rest_of_start:
            return []
        self._garbage_bytes += garbage.size
        self._timeline.garbage_read(self._garbage_bytes)
        first, self._garbage_told = not self._garbage_told, True
        return [Incident(self._timeline.line_us, "garbage_line", garbage.why)] if first else []

    def _whole(self) -> None:
        """A line that is whole ends a row of garbage."""
        self._garbage_told = self._rest_of_start = False
        self._garbage_bytes = 0

    # --- Calls and stays at once --------------------------------------------------------------------------------------
    def _hung_up(self, uniqueid: str, at: int, cause: int | None = None, source: str = "") -> list[Change]:
        changes = self._stays.hung_up(uniqueid, at, cause, source) + self._calls.hung_up(uniqueid, at, cause)
        self._end(uniqueid)
        return changes

    def _absent(self, fact: facts.Absent) -> list[Change]:
        changes = self._stays.absent(fact) + self._calls.absent(fact)
        self._end(fact.subject)
        return changes

    def _present(self, fact: facts.Present) -> list[Change]:
        there = [subject for subject in fact.subjects if subject not in self._ended]
        return [change for subject in there for change in self._stays.present(subject, fact)]

    def _torn(self, fact: facts.TornLine) -> list[Change]:
        """The head of a line says what happened, to whom and when; the rest is in other lines of the channel."""
        over = fact.event in ("HANGUP", "CHAN_END")
        changes = self._hung_up(fact.uniqueid, fact.at) if over else self._stays.torn(fact)
        return [Incident(fact.at, "torn_line", fact.event), *changes]

    def _end(self, uniqueid: str) -> None:
        self._ended[uniqueid] = None
        if len(self._ended) > ENDED:
            del self._ended[next(iter(self._ended))]
