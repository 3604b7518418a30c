"""The stays of a node that are not closed, and who is about to begin one.

- A stay is identified by what its BRIDGE_ENTER line says. The same line read again changes nothing. Each BRIDGE_ENTER
  of a channel begins a stay of its own, whether the caller left by a key and came back or was taken to another room.
- BRIDGE_EXIT ends it. Why is told by later lines of the channel (LEFT, then HANGUP), so the stay stays in memory, over
  but not yet closed, until one of them comes. What ends it where that line is lost stands in `endings`.
- An exit without a join: the join was at most SETTLING after the channel's APP_START, or by the beat after the last
  garbage that can have hidden it; estimated. If there is neither, nobody can say when, and it is an incident.
- What the daemon journals of the rooms (ABSENT, PRESENT) ends a stay whose lines never came, at the last time it was
  seen in the room, and bounds a join that was never written.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import replace
from typing import Final

from bridge.domain import deductions, endings
from bridge.domain import journal_line as facts
from bridge.domain.minutes import Change, Identity, Incident, MinuteRecord, OpenStay, Reason
from bridge.domain.open_calls import OpenCalls
from bridge.domain.switch_life import Decided, Doubted, Life, Mistaken, Pulse, WentBack

SETTLING_US: Final = 1_000_000


class OpenStays:
    """Takes in what lines say of stays, and tells what that changes, their calls included."""

    def __init__(
        self, node: str, rtp_timeout_us: int, life: Life, calls: OpenCalls, pulse: Pulse, stays: Iterable[OpenStay]
    ) -> None:
        self._node = node
        self._rtp_timeout_us = rtp_timeout_us
        self._life = life
        self._calls = calls
        self._open = {stay.identity.uniqueid: stay for stay in stays}
        self._entering = dict(pulse.entering)
        self._newcomers = dict.fromkeys(pulse.newcomers)

    def __iter__(self) -> Iterator[OpenStay]:
        return iter(self._open.values())

    @property
    def channels(self) -> Set[str]:
        """The channels of all of them."""
        return self._open.keys()

    @property
    def inside(self) -> frozenset[str]:
        """The channels of those that are not over."""
        return frozenset(channel for channel, stay in self._open.items() if stay.left_us is None)

    @property
    def doubtful(self) -> frozenset[str]:
        """The channels of those whose end may be hidden, for all that the journal shows."""
        at = self._life.line_us
        return frozenset(
            channel
            for channel, stay in self._open.items()
            if stay.left_us is None and endings.unseen_since(stay, at, self._life) < at
        )

    @property
    def entering(self) -> tuple[tuple[str, int], ...]:
        """Of channels by when they joined a room, if they did."""
        return tuple(self._entering.items())

    @property
    def newcomers(self) -> tuple[str, ...]:
        """Those who joined since the last beat."""
        return tuple(self._newcomers)

    def get(self, uniqueid: str) -> OpenStay | None:
        """The stay of this channel, if it has one."""
        return self._open.get(uniqueid)

    # --- They begin ---------------------------------------------------------------------------------------------------
    def about_to_enter(self, fact: facts.Entering) -> list[Change]:
        """A participant is about to join a room."""
        stay = self._open.get(fact.uniqueid)
        if stay is not None and fact.at <= stay.identity.joined_us:
            return []  # read again
        self._entering[fact.uniqueid] = fact.at + SETTLING_US
        return self._calls.known(fact)

    def entered(self, fact: facts.Entered) -> list[Change]:
        """A participant joined a room."""
        changes: list[Change] = []
        self._entering.pop(fact.uniqueid, None)
        before = self._open.get(fact.uniqueid)
        if before is not None:
            if before.identity == Identity(self._node, fact.uniqueid, fact.bridge_id, fact.at):
                return []
            if before.left_us is None:
                changes.append(Incident(fact.at, "exit_unseen", fact.uniqueid))
                before = endings.rejoined(before, fact.at, self._life)
            changes.append(endings.closed(before, Reason.LEFT_ROOM))
        self._life.unprove(fact.at)
        self._newcomers[fact.uniqueid] = None
        changes += self._calls.known(fact)
        changes += self._calls.joined(fact.uniqueid)
        return changes + self._put(self._new(fact, fact.at))

    def _new(self, fact: facts.Participation, joined_us: int) -> OpenStay:
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

    def _put(self, stay: OpenStay) -> list[Change]:
        self._open[stay.identity.uniqueid] = stay
        return [stay]

    # --- They end -----------------------------------------------------------------------------------------------------
    def exited(self, fact: facts.Exited) -> list[Change]:
        """A participant left a room."""
        stay = self._open.get(fact.uniqueid)
        if stay is None:
            return self._exited_unseen(fact)
        if stay.left_us is not None:
            if fact.uniqueid not in self._entering:
                return []
            # The caller came back, and that line is lost.
            return [endings.closed(stay, Reason.LEFT_ROOM), *self._exited_unseen(fact)]
        if stay.identity.bridge_id != fact.bridge_id:
            return [Incident(fact.at, "exit_without_join", fact.uniqueid)]
        return self._put(self._over(stay, fact.at))

    def _exited_unseen(self, fact: facts.Exited) -> list[Change]:
        """An exit whose join no line shows: estimated, if anything says by when it was."""
        by = self._joined_by(fact)
        if by is None:
            return [Incident(fact.at, "exit_without_join", fact.uniqueid)]
        changes: list[Change] = [Incident(fact.at, "join_unseen", fact.uniqueid)]
        changes += self._calls.joined(fact.uniqueid)
        joined = min(by, fact.at)
        call = self._calls.get(fact.uniqueid)
        since = call.started_us if call else joined - SETTLING_US
        stay = endings.estimated(self._new(fact, joined), max(0, joined - since))
        self._newcomers[fact.uniqueid] = None
        return changes + self._put(self._over(stay, fact.at))

    def _joined_by(self, fact: facts.Exited) -> int | None:
        """By when a channel whose join was not seen had joined, or None if nothing tells."""
        by = self._entering.pop(fact.uniqueid, None)
        call = self._calls.get(fact.uniqueid)
        if by is None and call is not None:
            since = call.started_us
            by = max((span.until_us for span in self._life.hidden(fact.at) if span.until_us > since), default=None)
        return by

    def left(self, fact: facts.Left) -> list[Change]:
        """Why a participant left."""
        stay = self._open.get(fact.uniqueid)
        if stay is None or stay.result:
            return []
        told = replace(stay, result=fact.why)
        if told.left_us is not None:
            return self._put(told)
        return [Incident(fact.at, "exit_unseen", fact.uniqueid), *self._put(self._gone(told, fact.at))]

    def hung_up(self, uniqueid: str, at: int, cause: int | None, source: str) -> list[Change]:
        """The channel was hung up."""
        changes: list[Change] = []
        self._entering.pop(uniqueid, None)
        stay = self._open.pop(uniqueid, None)
        if stay is not None:
            if stay.left_us is None:
                changes.append(Incident(at, "exit_unseen", uniqueid))
                stay = self._gone(stay, at)
            changes.append(self._explained(stay, cause, source))
        return changes

    def died(self, proved_us: int) -> list[Change]:
        """The switch died, which lived until `proved_us` at least."""
        changes: list[Change] = []
        for stay in self._open.values():
            if stay.left_us is None:
                ended = endings.died(stay, proved_us, self._life)
                changes.append(endings.closed(ended, Reason.SWITCH_LOST))
            else:
                changes.append(self._explained(stay))
        for left in (self._open, self._entering, self._newcomers):
            left.clear()
        return changes

    def _over(self, stay: OpenStay, at: int) -> OpenStay:
        return endings.over(stay, at, self._life, stay.identity.uniqueid in self._newcomers)

    def _gone(self, stay: OpenStay, at: int) -> OpenStay:
        return endings.gone(stay, at, self._life, stay.identity.uniqueid in self._newcomers)

    def _explained(self, stay: OpenStay, cause: int | None = None, source: str = "") -> MinuteRecord:
        return endings.explained(stay, cause, source, self._rtp_timeout_us)

    # --- The clock ----------------------------------------------------------------------------------------------------
    def beat(self) -> None:
        """The switch lives: nobody is a newcomer any more."""
        self._newcomers.clear()

    def timed(self, happening: Doubted | Mistaken | Decided | WentBack) -> list[Change]:
        """Something befell the clock, or may have, while they last."""
        match happening:
            case Doubted(gap):
                # Who was joining meanwhile joined after it, for all that is known.
                self._entering = dict.fromkeys(self._entering, self._life.woke_us + SETTLING_US)
                return self._change_inside(lambda stay: deductions.doubted(stay, gap))
            case Mistaken(gap):
                return self._change_inside(lambda stay: deductions.doubted(stay, -gap))
            case Decided():
                return self._change_inside(lambda stay: deductions.decided(stay, happening))
            case WentBack():
                new = self._newcomers
                return self._change_inside(
                    lambda stay: deductions.went_back(stay, happening, stay.identity.uniqueid in new)
                )

    def _change_inside(self, change: Callable[[OpenStay], OpenStay]) -> list[Change]:
        changes: list[Change] = []
        for stay in list(self._open.values()):
            changed = change(stay) if stay.left_us is None else stay
            if changed != stay:
                changes += self._put(changed)
        return changes

    # --- Lines that stand in for others -------------------------------------------------------------------------------
    def torn(self, fact: facts.Torn) -> list[Change]:
        """The head of a line about a room: what happened, to whom and when; the rest is in other lines."""
        stay = self._open.get(fact.uniqueid)
        match fact.event:
            case "BRIDGE_ENTER" if stay is None:
                self._entering[fact.uniqueid] = fact.at
            case "BRIDGE_EXIT" if stay is not None and stay.left_us is None:
                return self._put(endings.estimated(self._over(stay, fact.at), 0))
        return []

    def absent(self, fact: facts.Absent) -> list[Change]:
        """The daemon's word: this caller is in no room any more."""
        stay = self._open.pop(fact.subject, None)
        if stay is None:
            return []
        told = Incident(fact.at, "stay_without_end", fact.subject)
        if stay.left_us is not None:
            return [told, self._explained(stay)]
        return [told, endings.closed(endings.absent(stay, fact.at, fact.seen_us), Reason.DROPPED)]

    def present(self, subject: str, fact: facts.Present) -> list[Change]:
        """The daemon's word: this participant was in a room."""
        stay = self._open.get(subject)
        if stay is None:
            self._entering.setdefault(subject, fact.at)
            return [Incident(fact.at, "join_unseen", subject)]
        if stay.left_us is not None:
            return []
        return self._put(replace(stay, seen_us=max(stay.seen_us, min(fact.seen_us, fact.at))))
