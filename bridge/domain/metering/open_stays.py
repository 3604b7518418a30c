"""The stays of a node that are not closed, and who is about to begin one.

- A stay is identified by what its BRIDGE_ENTER line says. The same line read again changes nothing. Each BRIDGE_ENTER
  of a channel begins a stay of its own, whether the caller left by a key and came back or was taken to another room.
- BRIDGE_EXIT ends it. Why is told by later lines of the channel (LEFT, then HANGUP), so the stay stays in memory, over
  but not yet closed, until one of them comes. What ends it where that line is lost stands in `endings`.
- A torn BRIDGE_ENTER begins one as well: its head says when, APP_START whose it is, and the exit in which bridge.
- An exit without a join: the join was at most SETTLING after the channel's APP_START, or by the beat after the last
  garbage that can have hidden it; estimated. If there is neither, nobody can say when, and it is an incident.
- What the daemon journals of the rooms (ABSENT, PRESENT) ends a stay whose lines never came, at the last time it was
  seen in the room, and begins one whose join was never written: within SETTLING of APP_START, or when it was seen.
- Who is told to be in a room, and by nobody to be a caller, may be an announcer: no stay begins before the exit.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import replace
from typing import Final

from bridge.domain.metering import clock_adjustment, stay_end
from bridge.domain.metering import journal_line as facts
from bridge.domain.metering.arrival import Arrival
from bridge.domain.metering.open_calls import OpenCalls
from bridge.domain.metering.records import Change, Identity, Incident, MinuteRecord, OpenStay, Reason
from bridge.domain.metering.switch_timeline import (
    BootEnded,
    ClockSteppedBack,
    GapFound,
    GapRetracted,
    GapsExplained,
    SwitchState,
    SwitchTimeline,
)
from bridge.domain.period import SECOND_US

SETTLING_US: Final = SECOND_US


class OpenStays:
    """Takes in what lines say of stays, and tells what that changes, their calls included."""

    def __init__(
        self,
        node: str,
        rtp_timeout_us: int,
        timeline: SwitchTimeline,
        calls: OpenCalls,
        switch_state: SwitchState,
        stays: Iterable[OpenStay],
    ) -> None:
        self._node = node
        self._rtp_timeout_us = rtp_timeout_us
        self._timeline = timeline
        self._calls = calls
        self._open = {stay.identity.uniqueid: stay for stay in stays}
        self._entering = {arrival.uniqueid: arrival for arrival in switch_state.entering}
        self._newcomers = dict.fromkeys(switch_state.newcomers)

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
        at = self._timeline.line_us
        return frozenset(
            channel
            for channel, stay in self._open.items()
            if stay.left_us is None and stay_end.unseen_since(stay, at, self._timeline) < at
        )

    @property
    def entering(self) -> tuple[Arrival, ...]:
        """Who is about to join a room, if they do."""
        return tuple(self._entering.values())

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
        self._entering[fact.uniqueid] = Arrival(fact.uniqueid, fact.at + SETTLING_US, fact)
        return self._calls.known(fact)

    def entered(self, fact: facts.Entered) -> list[Change]:
        """A participant joined a room."""
        self._entering.pop(fact.uniqueid, None)
        before = self._open.get(fact.uniqueid)
        if before is not None and self._is_of(before, fact):
            return []
        known = self._calls.known(fact)
        self._timeline.restart_proof(fact.at)
        return known + self._begin(self._new(fact.uniqueid, fact.bridge_id, fact.at, fact))

    def _is_of(self, stay: OpenStay, fact: facts.Entered) -> bool:
        """Whether this line is the one that began the stay, or would have if it had been whole."""
        if stay.identity.bridge_id:
            return stay.identity == Identity(self._node, fact.uniqueid, fact.bridge_id, fact.at)
        return fact.at == stay.identity.joined_us or self._is_older(stay, fact.at)

    def _is_older(self, stay: OpenStay, at: int) -> bool:
        """Whether a line of this time is from before the stay and read again: not one of a clock that went back."""
        return at < stay.identity.joined_us and self._timeline.is_step_back(at)

    def _begin(self, stay: OpenStay) -> list[Change]:
        """A stay begins, so that another of the channel is over."""
        changes: list[Change] = []
        uniqueid, at = stay.identity.uniqueid, stay.identity.joined_us
        before = self._open.get(uniqueid)
        if before is not None:
            if before.left_us is None:
                changes.append(Incident(at, "exit_unseen", uniqueid))
                before = stay_end.ended_by_rejoining(before, at, self._timeline)
            changes.append(stay_end.closed(before, Reason.LEFT_ROOM))
        self._entering.pop(uniqueid, None)
        self._newcomers[uniqueid] = None
        changes += self._calls.joined(uniqueid)
        return changes + self._put(stay)

    def _new(self, uniqueid: str, bridge_id: str, joined_us: int, who: facts.Participation | None) -> OpenStay:
        call = self._calls.get(uniqueid)
        channel, caller, access_number = (call.channel, call.caller, call.access_number) if call else ("", "", "")
        identity = Identity(self._node, uniqueid, bridge_id, joined_us)
        stay = OpenStay(identity, self._timeline.boot, "", "", "", "", "", "", channel, caller, access_number)
        return stay if who is None else _owned(stay, who)

    def _inferred(self, uniqueid: str, bridge_id: str, joined_us: int, who: facts.Participation | None) -> OpenStay:
        """A stay whose join no line shows: it was by `joined_us`, and after APP_START, the stay before or the call's
        beginning."""
        named, before, call = self._named(uniqueid), self._open.get(uniqueid), self._calls.get(uniqueid)
        if named is not None:
            since = named.at
        elif before is not None:
            since = before.left_us or before.identity.joined_us
        else:
            since = call.started_us if call else joined_us - SETTLING_US
        return stay_end.estimated(self._new(uniqueid, bridge_id, joined_us, who), max(0, joined_us - since))

    def _named(self, uniqueid: str) -> facts.Entering | None:
        """What APP_START said of who is about to join."""
        arrival = self._entering.get(uniqueid)
        return arrival.fact if arrival else None

    def _may_begin(self, uniqueid: str) -> bool:
        """Whether this is known to be a caller's channel."""
        return self._calls.get(uniqueid) is not None or self._named(uniqueid) is not None

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
            arrival, named = self._entering.get(fact.uniqueid), self._named(fact.uniqueid)
            came_back = arrival is not None and (named is None or named.at <= fact.at)
            return self._exited_unseen(fact) if came_back else []
        if stay.identity.bridge_id != fact.bridge_id and (
            self._timeline.is_replaying() or self._is_older(stay, fact.at)
        ):
            return [Incident(fact.at, "exit_without_join", fact.uniqueid)]
        if not stay.identity.bridge_id:
            unowned = not (stay.room or stay.account_id)
            stay = replace(_owned(stay, fact) if unowned else stay, exit_bridge_id=fact.bridge_id)
            return self._put(self._perhaps_exit(stay, fact.at))
        if stay.bridge_id == fact.bridge_id:
            return self._put(self._exit(stay, fact.at))
        return self._exited_unseen(fact)  # out of another bridge than the one they are known to have joined

    def _exited_unseen(self, fact: facts.Exited) -> list[Change]:
        """An exit whose join no line shows: estimated, if anything says by when it was."""
        by = self._joined_by(fact)
        if by is None:
            return [Incident(fact.at, "exit_without_join", fact.uniqueid)]
        told = Incident(fact.at, "join_unseen", fact.uniqueid)
        begun = self._inferred(fact.uniqueid, fact.bridge_id, min(by, fact.at), fact)
        return [told, *self._begin(begun), *self._put(self._exit(begun, fact.at))]

    def _joined_by(self, fact: facts.Exited) -> int | None:
        """By when a channel whose join was not seen had joined, or None if nothing tells."""
        if fact.uniqueid in self._entering:
            return self._entering[fact.uniqueid].by_us
        spans, before, call = (
            self._timeline.hidden_spans(fact.at),
            self._open.get(fact.uniqueid),
            self._calls.get(fact.uniqueid),
        )
        if before is not None:
            # Nothing less hides an exit and a join.
            spans, since = [span for span in spans if span.endings], before.identity.joined_us
            if spans and before.deducted_us < 0:
                return fact.at  # spans and stay may be of different clocks
        elif call is not None:
            since = call.started_us
        else:
            return None
        return max((span.until_us for span in spans if span.until_us > since), default=None)

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

    def died(self, death: BootEnded) -> list[Change]:
        """The switch died. Stays of calls that came since it began again go on."""
        changes: list[Change] = []
        for uniqueid, stay in list(self._open.items()):
            if self._is_of_next(uniqueid, death):
                changes += self._put(replace(stay, boot=death.boot))
                continue
            del self._open[uniqueid]
            if stay.left_us is None:
                ended = stay_end.ended_with_switch(stay, death.proved_us, self._timeline, self._rtp_timeout_us)
                changes.append(stay_end.closed(ended, Reason.SWITCH_LOST))
            else:
                changes.append(self._explained(stay))
        for waiting in (self._entering, self._newcomers):
            for uniqueid in [one for one in waiting if not self._is_of_next(one, death)]:
                del waiting[uniqueid]
        return changes

    def _is_of_next(self, uniqueid: str, death: BootEnded) -> bool:
        """Return True if the channel's call, which is still open here, came since the switch began again."""
        call = self._calls.get(uniqueid)
        return call is not None and death.is_survived_by(call)

    def _exit(self, stay: OpenStay, at: int) -> OpenStay:
        self._entering.pop(stay.identity.uniqueid, None)
        return stay_end.ended_by_exit(stay, at, self._timeline, stay.identity.uniqueid in self._newcomers)

    def _perhaps_exit(self, stay: OpenStay, at: int) -> OpenStay:
        self._entering.pop(stay.identity.uniqueid, None)
        return stay_end.ended_by_uncertain_exit(stay, at, self._timeline, stay.identity.uniqueid in self._newcomers)

    def _gone(self, stay: OpenStay, at: int) -> OpenStay:
        return stay_end.ended_with_channel(stay, at, self._timeline, stay.identity.uniqueid in self._newcomers)

    def _explained(self, stay: OpenStay, cause: int | None = None, source: str = "") -> MinuteRecord:
        return stay_end.closed_with_reason(stay, cause, source, self._rtp_timeout_us, self._timeline)

    # --- The clock ----------------------------------------------------------------------------------------------------
    def heartbeat(self) -> None:
        """The switch lives: nobody is a newcomer any more."""
        self._newcomers.clear()

    def timed(self, happening: GapFound | GapRetracted | GapsExplained | ClockSteppedBack) -> list[Change]:
        """Something befell the clock, or may have, while they last."""
        match happening:
            case GapFound(gap):
                # Who was joining meanwhile joined after it, for all that is known.
                self._arrive_by(lambda arrival: self._timeline.woke_us + SETTLING_US)
                return self._change_inside(lambda stay: clock_adjustment.gap_found(stay, gap))
            case GapRetracted(gap):
                return self._change_inside(lambda stay: clock_adjustment.gap_found(stay, -gap))
            case GapsExplained():
                if not happening.in_gap:
                    self._arrive_by(lambda arrival: arrival.by_us + happening.step_us)
                return self._change_inside(lambda stay: clock_adjustment.gaps_explained(stay, happening))
            case ClockSteppedBack():
                new = self._newcomers
                return self._change_inside(
                    lambda stay: clock_adjustment.stepped_back(stay, happening, stay.identity.uniqueid in new)
                )

    def _arrive_by(self, by_us: Callable[[Arrival], int]) -> None:
        arrivals = self._entering.items()
        self._entering = {uniqueid: replace(arrival, by_us=by_us(arrival)) for uniqueid, arrival in arrivals}

    def _change_inside(self, change: Callable[[OpenStay], OpenStay]) -> list[Change]:
        changes: list[Change] = []
        for stay in list(self._open.values()):
            changed = change(stay) if stay.left_us is None else stay
            if changed != stay:
                changes += self._put(changed)
        return changes

    # --- Lines that stand in for others -------------------------------------------------------------------------------
    def torn(self, fact: facts.TornLine) -> list[Change]:
        """The head of a line about a room: what happened, to whom and when; the rest is in other lines."""
        stay = self._open.get(fact.uniqueid)
        if stay is not None and (fact.at == stay.identity.joined_us or self._is_older(stay, fact.at)):
            return []  # read again
        match fact.event:
            case "BRIDGE_ENTER" if self._may_begin(fact.uniqueid):
                begun = self._new(fact.uniqueid, "", fact.at, self._named(fact.uniqueid))
                self._timeline.restart_proof(fact.at)
                return self._begin(stay_end.estimated(begun, 0))
            case "BRIDGE_ENTER" if stay is None:
                self._entering[fact.uniqueid] = Arrival(fact.uniqueid, fact.at)
            case "BRIDGE_EXIT" if stay is not None and stay.left_us is None:
                return self._put(stay_end.estimated(self._perhaps_exit(stay, fact.at), 0))
        return []

    def absent(self, fact: facts.Absent) -> list[Change]:
        """The daemon's word: this caller is in no room any more."""
        self._entering.pop(fact.subject, None)
        stay = self._open.pop(fact.subject, None)
        if stay is None:
            return []
        told = Incident(fact.at, "stay_without_end", fact.subject)
        if stay.left_us is not None:
            return [told, self._explained(stay)]
        return [
            told,
            stay_end.closed(stay_end.ended_by_absence(stay, fact.at, fact.seen_us, self._timeline), Reason.DROPPED),
        ]

    def present(self, subject: str, fact: facts.Present) -> list[Change]:
        """The daemon's word: this participant was in a room."""
        stay = self._open.get(subject)
        seen_us = min(fact.seen_us, fact.at)
        if stay is not None and stay.left_us is None:
            return self._put(replace(stay, seen_us=max(stay.seen_us, seen_us)))
        named = self._named(subject)
        if stay is not None and not (named and (stay.left_us or 0) < named.at <= seen_us):
            return []  # said of the stay that is over
        told = Incident(fact.at, "join_unseen", subject)
        arrival = self._entering.setdefault(subject, Arrival(subject, fact.at))
        if not self._may_begin(subject):
            return [told]
        begun = self._inferred(subject, "", min(arrival.by_us, fact.at), named)
        self._timeline.restart_proof(fact.at)
        return [told, *self._begin(replace(begun, seen_us=seen_us))]


def _owned(stay: OpenStay, who: facts.Participation) -> OpenStay:
    """The stay, as of whom and in which room this line says."""
    return replace(
        stay,
        room=who.room,
        account_id=who.account_id,
        sub_account_id=who.sub_account_id,
        passcode_id=who.passcode_id,
        role=who.role,
        project_code=who.project_code,
        channel=who.channel,
        caller=who.caller,
    )
