"""The fold: lines of the journal in, calls and stays out.

A `Fold` is the state of one node's journal up to some line. Asterisk keeps the order of lines within one channel only,
so every rule looks at one channel, and at the clock of the switch. Where a line is missing, the fold concludes a stay
that is never longer than the real one and never counted twice.

Each rule stands beside its subject, and each of these modules begins with its own table of states:

- `switch_timeline`: boots, replayed lines, freezes, steps of the clock, and time in which lines may be hidden
- `open_stays`: how a stay begins, lasts and ends
- `stay_end`: when a stay ended (left_at, evidence, error bound), and why
- `clock_adjustment`: time that a stay's own clock does not count
- `open_calls`: calls and their outcome

What becomes of one line. The first row that matches decides:

    line                                    what the fold does
    --------------------------------------  ---------------------------------------------------------------------------
    garbage, while lines are replayed or    nothing
      right behind a torn CHAN_START
    garbage otherwise                       its bytes may hide lines (`HiddenSpan`); the first of a row is an incident
    other lines of the heartbeat's channel  nothing: a new boot writes them before BOOT
    BOOT                                    held lines are dropped; a boot that is new ends what is open
    ALIVE                                   held lines are released or dropped (below); then the timeline takes it in
    torn CHAN_START                         nothing; garbage right behind it is the rest of that line
    any line of a channel that has ended    nothing: no channel comes back
    a line that may be replayed             held, if it may be new all the same; else dropped (below)
    any other                               a gap or a proof of life for the timeline, then calls and stays

Lines that may be replayed (`SwitchTimeline.may_be_replayed`):

    the line                                             until the next ALIVE
    ---------------------------------------------------  --------------------
    is from before this boot began                       held
    is newer than every line read, or nearly (0.1 s)     held
    comes while it is open if lines are replayed at all  held
    is none of these                                     dropped

Held lines, at the next ALIVE:

    the ALIVE                                            the held lines
    ---------------------------------------------------  ---------------------------------------------------------------
    is of another boot, or does not count on             are all dropped: they were read before
    counts on, and shows that the clock was set back     are all new
    counts on, and the clock was not set back            are new if from before this boot began, or newer than all read

After that, lines from before this boot began stand if the ALIVE is from before it too, or if it shows the clock to have
been set back: then the beginning of the boot is forgotten, since times no longer tell boots apart. Otherwise only those
of channels that are open stand.
"""

from collections.abc import Iterable
from typing import Final

from bridge.domain.metering import journal_line as facts
from bridge.domain.metering.journal_line import Fact, Garbage, TornEvent
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
"""So many channels that have ended are remembered, so that their lines change nothing when they are replayed."""


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
        """`ended` are channels of the current boot that have ended, the latest last."""
        switch_state = switch_state or SwitchState()
        self._timeline = SwitchTimeline(switch_state)
        self._calls = OpenCalls(node, self._timeline, calls)
        self._stays = OpenStays(node, rtp_timeout_us, self._timeline, self._calls, switch_state, stays)
        self._ended: dict[str, None] = dict.fromkeys(ended)
        self._garbage_reported = self._behind_torn_start = False
        self._garbage_bytes = 0
        self._held: list[Fact] = []

    @property
    def switch_state(self) -> SwitchState:
        """The state of the switch, to be stored with the place in the journal."""
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
        """The channels that are in a room by the journal, though a damaged part of it may hide their end."""
        return self._stays.doubtful

    @property
    def waiting(self) -> frozenset[str]:
        """The channels that are not hung up but in no room: in the dialogue, or on their way out."""
        return frozenset(self._calls.channels | self._stays.channels) - self.inside

    @property
    def alive_us(self) -> int:
        """The time of the last ALIVE line."""
        return self._timeline.alive_us

    @property
    def held(self) -> Fact | None:
        """The first line that is held back. Lines from here on are not in the state yet, so none is committed."""
        return self._held[0] if self._held else None

    def expect_replay(self) -> None:
        """Lines from here on may be lines that were read before."""
        self._timeline.expect_replay()

    def apply(self, fact: Fact | Garbage) -> list[Change]:
        """Take in the next fact, and return what it changes. The table at the head of this module is of this."""
        match fact:
            case Garbage():
                return self._garbage(fact)
            case facts.HeartbeatStarting():
                return []
            case facts.Boot():
                self._end_row_of_garbage()
                self._held.clear()
                return self._follow(self._timeline.booted(fact))
            case facts.Alive():
                self._end_row_of_garbage()
                changes = self._release_held(fact)
                changes += self._follow(self._timeline.heartbeat(fact))
                # A replayed ALIVE says nothing of callers who joined since the newest one.
                if not self._timeline.is_replaying():
                    self._stays.heartbeat()
                return changes
            case facts.TornLine(meaning=TornEvent.CALL_ARRIVED):
                # CHAN_START is written before the dialplan cleans a caller's name, so it is the only line that a
                # caller can break. Nothing depends on it, nor on the rest of it.
                self._behind_torn_start = True
                return []
            case _:
                self._end_row_of_garbage()
        if fact.uniqueid in self._ended:
            return []
        is_early = self._timeline.is_before_boot(fact.at)
        if is_early and not self._is_open(fact.uniqueid):
            # Either an old file came back, or the clock was set back behind the boot. The next ALIVE decides.
            self._timeline.expect_replay()
        if self._timeline.may_be_replayed(fact):
            if is_early or self._is_newer(fact) or self._timeline.is_replay_possible():
                self._held.append(fact)
            return []
        changes = self._follow(self._timeline.line_written(fact.at))
        call, stay = self._calls.get(fact.uniqueid), self._stays.get(fact.uniqueid)
        if call is not None or stay is not None:
            since_us = call.started_us if call else stay.identity.joined_us if stay else 0
            self._timeline.prove_alive(fact.at, since_us)
        return changes + self._change(fact)

    def _release_held(self, alive: facts.Alive) -> list[Change]:
        """Decide on held lines by the next ALIVE: one that counts on shows that nothing new before it was replayed."""
        held, self._held = self._held, []
        if not self._timeline.counts_on(alive):
            return []
        stepped_back = self._timeline.is_step_back(alive.at)
        if not stepped_back:
            held = [fact for fact in held if self._timeline.is_before_boot(fact.at) or self._is_newer(fact)]
        any_early = any(self._timeline.is_before_boot(fact.at) for fact in held)
        if self._timeline.is_before_boot(alive.at) or (any_early and stepped_back):
            self._timeline.forget_boot_start()
        else:
            # No channel outlives its boot, so that one which is open is of this boot whatever the clock says.
            held = [fact for fact in held if not self._timeline.is_before_boot(fact.at) or self._is_open(fact.uniqueid)]
        self._timeline.end_replay()
        return [change for fact in held for change in self.apply(fact)]

    def _is_newer(self, fact: Fact) -> bool:
        """Return True if the line is newer than every line read. A step of the clock too small to be one is allowed."""
        return fact.at > self._timeline.line_us - STEP_US

    def _is_open(self, uniqueid: str) -> bool:
        """Return True if the channel has an open call or stay."""
        return self._calls.get(uniqueid) is not None or self._stays.get(uniqueid) is not None

    def _change(self, fact: Fact) -> list[Change]:  # noqa: C901 -- one case for each kind of fact
        """Hand a line that is new to the calls and stays that it is about."""
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
                return self._channel_ended(fact.uniqueid, fact.at, fact)
            case facts.Gone():
                return self._channel_ended(fact.uniqueid, fact.at, None)
            case facts.Absent():
                return self._absent(fact)
            case facts.Present():
                return self._present(fact)
            case facts.TornLine():
                return self._torn(fact)
            case _:
                return []

    # --- The switch's timeline ----------------------------------------------------------------------------------------
    def _follow(self, events: Iterable[TimelineEvent]) -> list[Change]:
        """Apply events of the timeline, each before the timeline goes on to the next.

        A stay that ends with its boot, for one, needs the freezes and hidden spans of that boot, which the timeline
        forgets right after.
        """
        changes: list[Change] = []
        for event in events:
            match event:
                case BootEnded():
                    # Stays first: which calls go on decides which stays do.
                    changes += self._stays.switch_died(event)
                    changes += self._calls.switch_died(event)
                    self._ended.clear()
                case HeartbeatsMissing(count):
                    changes.append(Incident(self._timeline.line_us, "beats_missing", str(count)))
                case _:
                    changes += self._stays.adjust(event)
        return changes

    def _garbage(self, garbage: Garbage) -> list[Change]:
        # While lines are replayed, whatever the garbage hid was read before.
        if self._timeline.is_replaying() or self._behind_torn_start:
            return []
        self._garbage_bytes += garbage.size
        self._timeline.garbage_read(self._garbage_bytes)
        first, self._garbage_reported = not self._garbage_reported, True
        return [Incident(self._timeline.line_us, "garbage_line", garbage.why)] if first else []

    def _end_row_of_garbage(self) -> None:
        """A whole line ends a row of garbage lines."""
        self._garbage_reported = self._behind_torn_start = False
        self._garbage_bytes = 0

    # --- Lines that concern a call and its stay at once ---------------------------------------------------------------
    def _channel_ended(self, uniqueid: str, at: int, hangup: facts.HungUp | None) -> list[Change]:
        """End the call and the stay of a channel. `hangup` is None where only a later line than HANGUP is left."""
        cause = hangup.cause if hangup else None
        changes = self._stays.channel_ended(uniqueid, at, hangup) + self._calls.hung_up(uniqueid, at, cause)
        self._remember_ended(uniqueid)
        return changes

    def _absent(self, fact: facts.Absent) -> list[Change]:
        changes = self._stays.absent(fact) + self._calls.absent(fact)
        self._remember_ended(fact.subject)
        return changes

    def _present(self, fact: facts.Present) -> list[Change]:
        subjects = [subject for subject in fact.subjects if subject not in self._ended]
        return [change for subject in subjects for change in self._stays.present(subject, fact)]

    def _torn(self, fact: facts.TornLine) -> list[Change]:
        """Use the head of a torn line: it says what happened, to which channel and when. Other lines say the rest."""
        match fact.meaning:
            case TornEvent.CHANNEL_ENDED:
                changes = self._channel_ended(fact.uniqueid, fact.at, None)
            case TornEvent.JOINED:
                changes = self._stays.torn_join(fact)
            case TornEvent.LEFT:
                changes = self._stays.torn_exit(fact)
            case TornEvent.CALL_ARRIVED | TornEvent.OTHER:  # pragma: no branch -- mypy shows that no other case is left
                changes = []
        return [Incident(fact.at, "torn_line", fact.event), *changes]

    def _remember_ended(self, uniqueid: str) -> None:
        self._ended[uniqueid] = None
        if len(self._ended) > ENDED:
            del self._ended[next(iter(self._ended))]
