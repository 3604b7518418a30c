"""The stays of a node that are not closed, and the channels that are about to begin one.

A stay is identified by its BRIDGE_ENTER line, so that the same line read again changes nothing. Each BRIDGE_ENTER of a
channel begins a stay of its own, whether the caller left by a key and came back or was taken to another room.

Two state machines for each channel. The first is the `Arrival`: is the channel about to join a room? It is there for
the case that the join itself is lost.

    state     line                                              next
    --------  ------------------------------------------------  --------------------------------------------------------
    any       APP_START (not from before the open stay)         expected within 1 s (SETTLING), as the line names it
    any       torn BRIDGE_ENTER, nothing known of the channel   expected by now, with no owner known
    none      PRESENT                                           expected by now, unless the stay begins at once
    expected  a gap                                             expected within 1 s of its end
    expected  a step of the clock forward, outside a gap        expected so much later
    expected  join, exit, end of the channel or of its boot,    none
                ABSENT

The second is the stay. "Inside" has no `left_us`, "over" has one and waits for LEFT or HANGUP to say why, "closed" is
a `MinuteRecord`. The functions named are those of `stay_end`.

    state   line                                     next    what follows
    ------  ---------------------------------------  ------  -----------------------------------------------------------
    any     BRIDGE_ENTER                             inside  measured
    any     torn BRIDGE_ENTER of a known caller      inside  estimated, error bound 0; the exit names the bridge
    none    PRESENT of a known caller                inside  estimated, joined by then; incident `join_unseen`
    over    PRESENT, seen after a newer APP_START    inside  the same
    none    BRIDGE_EXIT, expected or hidden join     over    estimated, joined by then; incident `join_unseen`
    over    BRIDGE_EXIT after a newer arrival        over    the same, a stay of its own
    inside  BRIDGE_EXIT out of another bridge, join  over    the same, a stay of its own
              expected or a whole ending hidden
    none    BRIDGE_EXIT with no sign of a join       none    incident `exit_without_join`: nobody can say since when
    inside  BRIDGE_EXIT out of another bridge, else  inside  the same
    inside  BRIDGE_EXIT out of the same bridge       over    `ended_by_exit`
    inside  BRIDGE_EXIT, bridge of the stay unknown  over    `ended_by_uncertain_exit`
    inside  torn BRIDGE_EXIT                         over    `ended_by_uncertain_exit`, estimated
    inside  PRESENT                                  inside  `seen_us` is later
    inside  LEFT                                     over    `ended_with_channel`; incident `exit_unseen`
    over    LEFT                                     over    keeps why
    inside  HANGUP, CHAN_END, LINKEDID_END           closed  `ended_with_channel`; incident `exit_unseen`
    over    HANGUP, CHAN_END, LINKEDID_END           closed  `closed_with_reason`
    inside  a stay of the channel begins             closed  `ended_by_rejoining`, left_room; incident `exit_unseen`
    over    a stay of the channel begins             closed  left_room
    over    the same, from before this stay's join   closed  `closed_with_reason`: that join is replayed
    inside  ABSENT                                   closed  `ended_by_absence`, dropped; incident `stay_without_end`
    over    ABSENT                                   closed  `closed_with_reason`; incident `stay_without_end`
    inside  a boot that is new                       closed  `ended_with_switch`, switch_lost
    over    a boot that is new                       closed  `closed_with_reason`
    any     the same, its call came since then       same    is of the new boot
    inside  a gap or a step of the clock             inside  as in `clock_adjustment`

What is in no row changes nothing. Neither does a line from before the stay, or the very line that began it: it is
replayed. A channel in a room that no line shows to be a caller's may be an announcer's: no stay of it begins before its
exit.
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
"""The longest time that a channel takes from APP_START to its join."""


class OpenStays:
    """The stays of one node that are not closed. Each method takes in a line and returns what it changes."""

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
        """The channels of all stays that are not closed."""
        return self._open.keys()

    @property
    def inside(self) -> frozenset[str]:
        """The channels whose stay is not over."""
        return frozenset(channel for channel, stay in self._open.items() if stay.left_us is None)

    @property
    def doubtful(self) -> frozenset[str]:
        """The channels whose stay is not over by the journal, though a hidden span may hide its end."""
        at = self._timeline.line_us
        return frozenset(
            channel
            for channel, stay in self._open.items()
            if stay.left_us is None and stay_end.unseen_since(stay, at, self._timeline) < at
        )

    @property
    def entering(self) -> tuple[Arrival, ...]:
        """The channels that are about to join a room."""
        return tuple(self._entering.values())

    @property
    def newcomers(self) -> tuple[str, ...]:
        """The channels that joined a room since the last ALIVE."""
        return tuple(self._newcomers)

    def get(self, uniqueid: str) -> OpenStay | None:
        """The stay of this channel, if it has one."""
        return self._open.get(uniqueid)

    # --- Stays begin --------------------------------------------------------------------------------------------------
    def about_to_enter(self, fact: facts.Entering) -> list[Change]:
        """A participant is about to join a room."""
        stay = self._open.get(fact.uniqueid)
        if stay is not None and fact.at <= stay.identity.joined_us:
            return []  # replayed
        self._entering[fact.uniqueid] = Arrival(fact.uniqueid, fact.at + SETTLING_US, fact)
        return self._calls.ensure_known(fact)

    def entered(self, fact: facts.Entered) -> list[Change]:
        """A participant joined a room."""
        self._entering.pop(fact.uniqueid, None)
        before = self._open.get(fact.uniqueid)
        if before is not None and self._is_of(before, fact):
            return []
        known = self._calls.ensure_known(fact)
        self._timeline.restart_proof(fact.at)
        return known + self._begin(self._new(fact.uniqueid, fact.bridge_id, fact.at, fact))

    def _is_of(self, stay: OpenStay, fact: facts.Entered) -> bool:
        """Return True if the line is the one that began the stay, or would have if it had not been torn or lost."""
        if stay.identity.bridge_id:
            return stay.identity == Identity(self._node, fact.uniqueid, fact.bridge_id, fact.at)
        return fact.at == stay.identity.joined_us or self._is_older(stay, fact.at)

    def _is_older(self, stay: OpenStay, at: int) -> bool:
        """Return True if a line of this time is a replayed one from before the stay.

        A line from before the stay, but after the last ALIVE, is new: the clock was set back a little.
        """
        return at < stay.identity.joined_us and self._timeline.is_step_back(at)

    def _begin(self, stay: OpenStay) -> list[Change]:
        """Begin a stay. Another of the same channel is closed."""
        changes: list[Change] = []
        uniqueid, at = stay.identity.uniqueid, stay.identity.joined_us
        before = self._open.get(uniqueid)
        if before is not None:
            changes += self._closed_by_rejoining(before, at)
        self._entering.pop(uniqueid, None)
        self._newcomers[uniqueid] = None
        changes += self._calls.joined(uniqueid)
        return changes + self._put(stay)

    def _closed_by_rejoining(self, stay: OpenStay, at: int) -> list[Change]:
        """Close the stay of a channel of which another stay begins at `at`."""
        if stay.left_us is None:
            left = stay_end.ended_by_rejoining(stay, at, self._timeline)
            return [Incident(at, "exit_unseen", stay.identity.uniqueid), stay_end.closed(left, Reason.LEFT_ROOM)]
        if at < stay.identity.joined_us:
            return [self._closed(stay)]
        return [stay_end.closed(stay, Reason.LEFT_ROOM)]

    def _new(self, uniqueid: str, bridge_id: str, joined_us: int, who: facts.Participation | None) -> OpenStay:
        call = self._calls.get(uniqueid)
        channel, caller, access_number = (call.channel, call.caller, call.access_number) if call else ("", "", "")
        identity = Identity(self._node, uniqueid, bridge_id, joined_us)
        stay = OpenStay(identity, self._timeline.boot, "", "", "", "", "", "", channel, caller, access_number)
        return stay if who is None else _owned(stay, who)

    def _inferred(self, uniqueid: str, bridge_id: str, joined_us: int, who: facts.Participation | None) -> OpenStay:
        """A stay whose join no line shows. It was by `joined_us`, which is what is charged.

        The error bound goes back to APP_START, or else to the end of the stay before, or else to the call's beginning.
        """
        app_start, before, call = self._app_start(uniqueid), self._open.get(uniqueid), self._calls.get(uniqueid)
        if app_start is not None:
            since = app_start.at
        elif before is not None:
            since = before.left_us or before.identity.joined_us
        else:
            since = call.started_us if call else joined_us - SETTLING_US
        return stay_end.estimated(self._new(uniqueid, bridge_id, joined_us, who), max(0, joined_us - since))

    def _app_start(self, uniqueid: str) -> facts.Entering | None:
        """The APP_START line of a channel that is about to join, if it was read."""
        arrival = self._entering.get(uniqueid)
        return arrival.fact if arrival else None

    def _is_caller(self, uniqueid: str) -> bool:
        """Return True if the channel is known to be a caller's, and not an announcer's."""
        return self._calls.get(uniqueid) is not None or self._app_start(uniqueid) is not None

    def _put(self, stay: OpenStay) -> list[Change]:
        self._open[stay.identity.uniqueid] = stay
        return [stay]

    # --- Stays end ----------------------------------------------------------------------------------------------------
    def exited(self, fact: facts.Exited) -> list[Change]:
        """A participant left a room."""
        stay = self._open.get(fact.uniqueid)
        if stay is None:
            return self._exited_unseen(fact)
        if stay.left_us is not None:
            arrival, app_start = self._entering.get(fact.uniqueid), self._app_start(fact.uniqueid)
            came_back = arrival is not None and (app_start is None or app_start.at <= fact.at)
            return self._exited_unseen(fact) if came_back else []
        if stay.identity.bridge_id != fact.bridge_id and (
            self._timeline.is_replaying() or self._is_older(stay, fact.at)
        ):
            return [Incident(fact.at, "exit_without_join", fact.uniqueid)]
        if not stay.identity.bridge_id:
            # The join was torn or lost: the exit says in which bridge it was, and whose, if APP_START did not.
            unowned = not (stay.room or stay.account_id)
            stay = replace(_owned(stay, fact) if unowned else stay, exit_bridge_id=fact.bridge_id)
            return self._put(self._uncertain_exit(stay, fact.at))
        if stay.bridge_id == fact.bridge_id:
            return self._put(self._exit(stay, fact.at))
        return self._exited_unseen(fact)  # out of another bridge than the one that was joined

    def _exited_unseen(self, fact: facts.Exited) -> list[Change]:
        """Begin and end a stay whose join no line shows, if anything says by when the join was."""
        by = self._joined_by(fact)
        if by is None:
            return [Incident(fact.at, "exit_without_join", fact.uniqueid)]
        incident = Incident(fact.at, "join_unseen", fact.uniqueid)
        begun = self._inferred(fact.uniqueid, fact.bridge_id, min(by, fact.at), fact)
        return [incident, *self._begin(begun), *self._put(self._exit(begun, fact.at))]

    def _joined_by(self, fact: facts.Exited) -> int | None:
        """The time by which a channel whose join was not seen had joined: the end of the last span that can hide it.

        None if there is none.
        """
        if fact.uniqueid in self._entering:
            return self._entering[fact.uniqueid].by_us
        spans, before, call = (
            self._timeline.hidden_spans(fact.at),
            self._open.get(fact.uniqueid),
            self._calls.get(fact.uniqueid),
        )
        if before is not None:
            # The exit of the stay before is missing too: only a span that hides whole endings hides all of that.
            spans, since = [span for span in spans if span.endings], before.identity.joined_us
            if spans and before.deducted_us < 0:
                return fact.at  # spans and join may be on different clocks
        elif call is not None:
            since = call.started_us
        else:
            return None
        return max((span.until_us for span in spans if span.until_us > since), default=None)

    def left(self, fact: facts.Left) -> list[Change]:
        """ConfBridge said why a participant left."""
        stay = self._open.get(fact.uniqueid)
        if stay is None or stay.result:
            return []
        stay = replace(stay, result=fact.why)
        if stay.left_us is not None:
            return self._put(stay)
        return [Incident(fact.at, "exit_unseen", fact.uniqueid), *self._put(self._ended_with_channel(stay, fact.at))]

    def channel_ended(self, uniqueid: str, at: int, hangup: facts.HungUp | None) -> list[Change]:
        """The channel has ended. `hangup` is None where its HANGUP line is lost, or torn."""
        changes: list[Change] = []
        self._entering.pop(uniqueid, None)
        stay = self._open.pop(uniqueid, None)
        if stay is not None:
            if stay.left_us is None:
                changes.append(Incident(at, "exit_unseen", uniqueid))
                stay = self._ended_with_channel(stay, at)
            changes.append(self._closed(stay, hangup))
        return changes

    def switch_died(self, death: BootEnded) -> list[Change]:
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
                changes.append(self._closed(stay))
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

    def _uncertain_exit(self, stay: OpenStay, at: int) -> OpenStay:
        self._entering.pop(stay.identity.uniqueid, None)
        return stay_end.ended_by_uncertain_exit(stay, at, self._timeline, stay.identity.uniqueid in self._newcomers)

    def _ended_with_channel(self, stay: OpenStay, at: int) -> OpenStay:
        return stay_end.ended_with_channel(stay, at, self._timeline, stay.identity.uniqueid in self._newcomers)

    def _closed(self, stay: OpenStay, hangup: facts.HungUp | None = None) -> MinuteRecord:
        return stay_end.closed_with_reason(stay, hangup, self._rtp_timeout_us, self._timeline)

    # --- The clock ----------------------------------------------------------------------------------------------------
    def heartbeat(self) -> None:
        """A new ALIVE was written: nobody is a newcomer any more."""
        self._newcomers.clear()

    def adjust(self, event: GapFound | GapRetracted | GapsExplained | ClockSteppedBack) -> list[Change]:
        """Adjust stays that are not over, and arrivals, to a gap or a step of the clock."""
        match event:
            case GapFound(gap_us):
                # A channel that was joining meanwhile joined after the gap, for all that is known.
                self._arrive_by(lambda arrival: self._timeline.woke_us + SETTLING_US)
                return self._change_inside(lambda stay: clock_adjustment.gap_found(stay, gap_us))
            case GapRetracted(gap_us):
                return self._change_inside(lambda stay: clock_adjustment.gap_found(stay, -gap_us))
            case GapsExplained(step_us, in_gap):
                if not in_gap:
                    self._arrive_by(lambda arrival: arrival.by_us + step_us)
                return self._change_inside(lambda stay: clock_adjustment.gaps_explained(stay, event))
            case ClockSteppedBack():  # pragma: no branch -- mypy shows that no other case is left
                newcomers = self._newcomers
                return self._change_inside(
                    lambda stay: clock_adjustment.stepped_back(stay, event, stay.identity.uniqueid in newcomers)
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
    def torn_join(self, fact: facts.TornLine) -> list[Change]:
        """Only the head of BRIDGE_ENTER is left: when, but neither whose nor in which bridge."""
        stay = self._open.get(fact.uniqueid)
        if self._began_with_or_after(stay, fact):
            return []  # replayed
        if self._is_caller(fact.uniqueid):
            begun = self._new(fact.uniqueid, "", fact.at, self._app_start(fact.uniqueid))
            self._timeline.restart_proof(fact.at)
            return self._begin(stay_end.estimated(begun, 0))
        if stay is None:
            self._entering[fact.uniqueid] = Arrival(fact.uniqueid, fact.at)
        return []

    def torn_exit(self, fact: facts.TornLine) -> list[Change]:
        """Only the head of BRIDGE_EXIT is left: when, but not out of which bridge."""
        stay = self._open.get(fact.uniqueid)
        if stay is None or stay.left_us is not None or self._began_with_or_after(stay, fact):
            return []
        return self._put(stay_end.estimated(self._uncertain_exit(stay, fact.at), 0))

    def _began_with_or_after(self, stay: OpenStay | None, fact: facts.TornLine) -> bool:
        return stay is not None and (fact.at == stay.identity.joined_us or self._is_older(stay, fact.at))

    def absent(self, fact: facts.Absent) -> list[Change]:
        """The daemon wrote that this caller is in no room any more."""
        self._entering.pop(fact.subject, None)
        stay = self._open.pop(fact.subject, None)
        if stay is None:
            return []
        incident = Incident(fact.at, "stay_without_end", fact.subject)
        if stay.left_us is not None:
            return [incident, self._closed(stay)]
        return [
            incident,
            stay_end.closed(stay_end.ended_by_absence(stay, fact.at, fact.seen_us, self._timeline), Reason.DROPPED),
        ]

    def present(self, subject: str, fact: facts.Present) -> list[Change]:
        """The daemon wrote that this participant was in a room."""
        stay = self._open.get(subject)
        seen_us = min(fact.seen_us, fact.at)
        if stay is not None and stay.left_us is None:
            return self._put(replace(stay, seen_us=max(stay.seen_us, seen_us)))
        app_start = self._app_start(subject)
        if stay is not None and not (app_start and (stay.left_us or 0) < app_start.at <= seen_us):
            return []  # the caller was seen in the stay that is over
        incident = Incident(fact.at, "join_unseen", subject)
        arrival = self._entering.setdefault(subject, Arrival(subject, fact.at))
        if not self._is_caller(subject):
            return [incident]
        begun = self._inferred(subject, "", min(arrival.by_us, fact.at), app_start)
        self._timeline.restart_proof(fact.at)
        return [incident, *self._begin(replace(begun, seen_us=seen_us))]


def _owned(stay: OpenStay, who: facts.Participation) -> OpenStay:
    """The stay, with the owner and the room that this line names."""
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
        access_number=stay.access_number if who.access_number is None else who.access_number,
    )
