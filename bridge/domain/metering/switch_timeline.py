"""The timeline of one switch as its journal shows it: boots, freezes, steps of the clock, and what may be hidden.

Asterisk itself writes BOOT once and ALIVE twice a second, whether a daemon runs or not. ALIVE names its boot, counts up
over the whole boot, and repeats the daemon's last reading of the clock. Four small state machines read these lines.

Boot: which run of Asterisk the lines are of.

    state       line                                 next          what follows
    ----------  -----------------------------------  ------------  -----------------------------------------------------
    none known  BOOT or ALIVE                        that boot     what is open already belongs to it
    a boot      BOOT or ALIVE of a boot never seen   the new boot  `BootEnded`: the old boot lived until its last proof
                                                                   of life; calls that came since the new one began are
                                                                   of that
    a boot      BOOT or ALIVE of this or a past one  unchanged     lines are replayed (next table)

A proof of life is an ALIVE, or a line of a channel that was open at the last ALIVE. Lines of other channels prove
nothing: a new boot may write some before its BOOT line. A lost BOOT line is made up for by the boot's first ALIVE.

Replay (`Replay`): whether lines were read before, because an older copy of the journal came back, for example.

    state           line                                                      next
    --------------  --------------------------------------------------------  ------------------------------
    any             the reader says that lines may be replayed, once a boot   `PossibleReplay`
                      is known
    any             a line from before this boot began, of an unknown channel `PossibleReplay`
    any             BOOT of this or a past boot                               `ReplayOf` that boot
    any             ALIVE of a past boot, or one of this that does not count  `ReplayOf` that boot
    any             ALIVE that counts on; BOOT or ALIVE of a new boot         `NoReplay`

Clock: the gaps between lines. A gap of over 0.7 s is either a freeze or a step of the clock forward.

    line                                              event               gap or freeze
    ------------------------------------------------  ------------------  ----------------------------------------------
    any, over 0.7 s after the newest line             `GapFound`          is kept as the last gap, and as a freeze
    ALIVE after the last ALIVE, but from before the   `GapRetracted`      is forgotten: one line bore a future time
      end of the last gap
    ALIVE over 0.1 s before the last ALIVE            `ClockSteppedBack`  freezes move back with the clock
    ALIVE whose new reading is 0.1 s or more lower    `ClockSteppedBack`  the same, unless that ALIVE itself showed it
    ALIVE whose new reading is 0.1 s or more higher   `GapsExplained`     a gap as long as the step was no freeze
    ALIVE whose new reading is about the same, and    `GapsExplained`     was a freeze: the step is 0
      was taken after the last gap

Hidden spans: time in which lines may be hidden by damage.

    line                         what follows
    ---------------------------  ---------------------------------------------------------------------------------------
    garbage                      a span opens at the last ALIVE (or at the freeze right before that)
    ALIVE that skips a count     `HeartbeatsMissing`; the same, and the span may hide whole endings
    ALIVE                        closes the open span
    a boot that is new           forgets all spans

A span may hide whole endings of channels if heartbeats are missing, or if its garbage has `ENDING_BYTES` or more in one
row. Otherwise it hides a line or two.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from bridge.domain.metering import journal_line as facts
from bridge.domain.metering.arrival import Arrival
from bridge.domain.metering.journal_line import ClockReading, Fact
from bridge.domain.metering.records import OpenCall
from bridge.domain.period import SECOND_US

FREEZE_US: Final = 700_000
"""A longer gap between lines is a freeze or a step of the clock: an ALIVE is due every 500,000 µs."""
WAKING_US: Final = 4 * SECOND_US + 500_000
"""So late after a freeze Asterisk may still report a hang-up that happened in it; after a short freeze, half of it.

Where a queue of the kernel ran over, the BYE was lost and comes again, and the last two are at most 4 s apart (T2 of
RFC 3261, 17.1.2.2).
"""
GIVEN_UP_US: Final = 28 * SECOND_US
"""A longer freeze may hide a BYE for good: the caller's phone repeats it for 32 s, the last two times at most 4 s apart
(64 T1 and T2 of RFC 3261, 17.1.2.2)."""
STARTING_US: Final = 300_000
"""A boot may write lines of its first calls so long before the line that names it. Asterisk takes longer than that to
start, so that no line of the boot before is as new."""
STEP_US: Final = 100_000
"""A smaller difference between two clocks is not taken for a step."""
REVIVAL_US: Final = 6 * SECOND_US
"""So long the heartbeat may stand still after the clock was set back, until the daemon starts another one."""
PAST: Final = 32
"""So many past boots, freezes and hidden spans are remembered."""
ENDING_BYTES: Final = 2000
"""Fewer garbage bytes than this cannot hide a whole exit and hang-up."""


@dataclass(frozen=True, slots=True)
class NoReplay:
    """Lines are new."""


@dataclass(frozen=True, slots=True)
class PossibleReplay:
    """Lines may have been read before. The next BOOT or ALIVE line decides."""


@dataclass(frozen=True, slots=True)
class ReplayOf:
    """Lines of this boot are being read again."""

    boot: str


Replay = NoReplay | PossibleReplay | ReplayOf


@dataclass(frozen=True, slots=True)
class HiddenSpan:
    """A span of time in which lines may be hidden: whole endings of channels if `endings`, else a line or two."""

    since_us: int
    until_us: int
    endings: bool


@dataclass(frozen=True, slots=True)
class SwitchState:
    """Everything that the journal has shown of the switch up to some line. Times are µs since 1970, 0 for never.

    The field names are stored in the ledger (column `pulse`).

    - `past` are boots before this one. `began_us` is when this boot first wrote anything.
    - `beat` and `alive_us` are count and time of the last ALIVE. `proof_us` is the last proof of life, `line_us` the
      time of the newest line.
    - The last gap was from `froze_us` to `woke_us`. `freezes` are the latest of this boot as (begin, end), on the clock
      as it is now. `clock` is the daemon's last reading of the clock.
    - `hidden` are spans in which lines may be hidden, `hiding` one that has not ended yet. `again` is the replay.
    - `entering` are channels about to join a room. `newcomers` are channels that joined one since the last ALIVE.
    """

    boot: str = ""
    past: tuple[str, ...] = ()
    beat: int = -1
    alive_us: int = 0
    proof_us: int = 0
    line_us: int = 0
    froze_us: int = 0
    woke_us: int = 0
    clock: ClockReading | None = None
    hidden: tuple[HiddenSpan, ...] = ()
    hiding: HiddenSpan | None = None
    again: Replay = NoReplay()
    entering: tuple[Arrival, ...] = ()
    newcomers: tuple[str, ...] = ()
    began_us: int = 0
    freezes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class BootEnded:
    """A boot is over: it lived until `proved_us` at least.

    The next is `boot`. It began at `began_us`, and a line at `named_us` is the first that names it. Where the disk was
    full as it started, lines of its calls may have been read before that one.
    """

    proved_us: int
    boot: str
    began_us: int
    named_us: int

    def is_survived_by(self, call: OpenCall) -> bool:
        """Return True if the call came since the next boot began, so that it did not end with this one."""
        return self.began_us <= call.started_us <= self.named_us


@dataclass(frozen=True, slots=True)
class GapFound:
    """No line was written for `gap_us`: a freeze, or the clock was stepped forward."""

    gap_us: int


@dataclass(frozen=True, slots=True)
class GapRetracted:
    """The last gap, of `gap_us`, was none: a line bore a time in the future."""

    gap_us: int


@dataclass(frozen=True, slots=True)
class GapsExplained:
    """It is known what the gaps so far were: the clock went forward by `step_us`, 0 for not at all.

    With `in_gap` it did so in a gap. Otherwise the step was too small for a gap, and came at some time since the
    reading before.
    """

    step_us: int
    in_gap: bool


@dataclass(frozen=True, slots=True)
class ClockSteppedBack:
    """The clock was stepped back by `step_us` at least. If an ALIVE `shows` it, that was after the ALIVE before."""

    step_us: int
    shows: bool


@dataclass(frozen=True, slots=True)
class HeartbeatsMissing:
    """So many ALIVE lines are not in the journal."""

    count: int


TimelineEvent = BootEnded | GapFound | GapRetracted | GapsExplained | ClockSteppedBack | HeartbeatsMissing


class SwitchTimeline:
    """One switch's timeline, up to some line of its journal."""

    def __init__(self, state: SwitchState) -> None:
        self.boot = state.boot
        self.alive_us = state.alive_us
        self.line_us = state.line_us
        self.froze_us, self.woke_us = state.froze_us, state.woke_us
        self._past = list(state.past)
        self._count = state.beat
        self._proof_us = state.proof_us
        self._clock = state.clock
        self._hidden = list(state.hidden)
        self._hiding = state.hiding
        self._replay = state.again
        self._began_us = state.began_us
        self._freezes = list(state.freezes)

    def state(self, entering: tuple[Arrival, ...], newcomers: tuple[str, ...]) -> SwitchState:
        """The whole timeline, as a value."""
        return SwitchState(
            self.boot,
            tuple(self._past),
            self._count,
            self.alive_us,
            self._proof_us,
            self.line_us,
            self.froze_us,
            self.woke_us,
            self._clock,
            tuple(self._hidden),
            self._hiding,
            self._replay,
            entering,
            newcomers,
            self._began_us,
            tuple(self._freezes),
        )

    # --- Replayed lines -----------------------------------------------------------------------------------------------
    def may_be_replayed(self, fact: Fact) -> bool:
        """Return True if the line may have been read before.

        Among replayed lines of this boot, one that is newer than all that was read is new.
        """
        match self._replay:
            case NoReplay():
                return False
            case PossibleReplay():
                return True
            case ReplayOf(boot):  # pragma: no branch -- mypy shows that no other case is left
                return boot != self.boot or fact.at <= self.line_us

    def is_before_boot(self, at: int) -> bool:
        """Return True if a line of this time is from before this boot began.

        Such a line is a replayed one of an earlier boot, or the clock was set back; the next ALIVE decides.
        """
        return bool(self._began_us) and at < self._began_us - STEP_US

    def forget_boot_start(self) -> None:
        """The clock was set back behind the beginning of this boot: times no longer tell boots apart."""
        self._began_us = 0

    def counts_on(self, alive: facts.Alive) -> bool:
        """Return True if this ALIVE is the next of this boot, so that no line right before it was replayed."""
        return alive.boot == self.boot and alive.count > self._count

    def end_replay(self) -> None:
        """No line is replayed from here on."""
        self._replay = NoReplay()

    def expect_replay(self) -> None:
        """Lines from here on may be replayed. In a journal without any boot so far, there is nothing to replay."""
        if self.boot:
            self._replay = PossibleReplay()

    def is_replay_possible(self) -> bool:
        """Return True while it is open if lines are replayed. Instead, the clock may have been set back."""
        return isinstance(self._replay, PossibleReplay)

    def is_replaying(self) -> bool:
        """Return True while lines are replayed, or may be."""
        return not isinstance(self._replay, NoReplay)

    # --- Lines of any kind --------------------------------------------------------------------------------------------
    def line_written(self, at: int) -> Iterator[TimelineEvent]:
        """A line of any kind was written at `at`."""
        gap = at - self.line_us
        if self.line_us and gap > FREEZE_US:
            self.froze_us, self.woke_us = self.line_us, at
            self._freezes = [*self._freezes, (self.line_us, at)][-PAST:]
            yield GapFound(gap)
        self.line_us = max(self.line_us, at)

    def prove_alive(self, at: int, since: int) -> None:
        """A channel that is open since `since` wrote a line: a proof of life, if it was open at the last ALIVE."""
        if since <= self.alive_us:
            self._proof_us = max(self._proof_us, at)

    def restart_proof(self, at: int) -> None:
        """Somebody joined at `at`. If the clock was set back, a proof from before is none for them: it lies ahead."""
        if self.is_step_back(at):
            self._proof_us = self.line_us = at

    def is_step_back(self, at: int) -> bool:
        """Return True if a line of this time means that the clock was set back since the last ALIVE."""
        return at < self.alive_us - STEP_US

    # --- Freezes ------------------------------------------------------------------------------------------------------
    def freeze_behind(self, at: int, since: int) -> int | None:
        """When the freeze began during which something may have happened that the switch noticed at `at`.

        `since` is when the participant joined: earlier freezes do not concern them. Where a gap begins soon after a
        freeze, as when the disk is full at waking, an event that is late by the gap may be late by the freeze as well:
        the first freeze of such a row counts. None if an event at `at` cannot be late.
        """
        began: int | None = None
        for froze_us, woke_us in reversed(self._freezes):
            late_us = at if began is None else began
            if since < woke_us and froze_us <= late_us <= woke_us + _late_by(froze_us, woke_us):
                began = froze_us
        return began

    def gaps_since(self, froze_us: int) -> int:
        """The length of all gaps together, from the one that began at `froze_us` on."""
        return sum(woke - froze for froze, woke in self._freezes if froze >= froze_us)

    def freeze_before_silence(self, at: int, since: int, quiet_us: int) -> int | None:
        """When a freeze began in which a caller who was there since `since` may have hung up without a trace.

        Only a freeze over GIVEN_UP_US hides a BYE for good. The switch notices by the missing audio, for which it waits
        `quiet_us`: later than that, at `at`, the caller was there after all. None if there is no such freeze.
        """
        for froze_us, woke_us in self._freezes:
            if woke_us - froze_us > GIVEN_UP_US and since < woke_us <= at <= woke_us + quiet_us:
                return froze_us
        return None

    # --- BOOT and ALIVE -----------------------------------------------------------------------------------------------
    def booted(self, fact: facts.Boot) -> Iterator[TimelineEvent]:
        """BOOT was written."""
        if fact.boot == self.boot or fact.boot in self._past:
            self._replay = _replay_of(fact.boot)
        else:
            yield from self._begin(fact.boot, fact.at, fact.at)

    def heartbeat(self, fact: facts.Alive) -> Iterator[TimelineEvent]:
        """ALIVE was written."""
        if fact.boot in self._past or (fact.boot == self.boot and fact.count <= self._count):
            self._replay = _replay_of(fact.boot)
            return
        if fact.boot != self.boot:
            yield from self._begin(fact.boot, fact.at, fact.began_us)
        self._replay = NoReplay()
        if self.alive_us <= fact.at < self.woke_us:
            yield GapRetracted(self.woke_us - self.froze_us)
            self.line_us = self.froze_us
            self._forget_gap()
        # Taken before this ALIVE counts: what is missing may have happened any time since then.
        sure_us = self._sure_us()
        yield from self.line_written(fact.at)
        if stepped := bool(self.alive_us) and self.is_step_back(fact.at):
            yield self._step_back(self.alive_us - fact.at, fact.at, True)
        if 0 <= self._count < fact.count - 1:
            self._open_hidden(ENDING_BYTES, sure_us)
            yield HeartbeatsMissing(fact.count - self._count - 1)
        # ALIVE lines come in order, so that their time holds, whatever times other lines bore meanwhile.
        self._count, self.alive_us, self._proof_us, self.line_us = fact.count, fact.at, fact.at, fact.at
        if fact.clock is not None:
            yield from self._read_clock(fact.clock, fact.at, stepped)
        self._close_hidden(fact.at)

    def _begin(self, boot: str, at: int, began_us: int) -> Iterator[TimelineEvent]:
        if not self.boot:
            # The journal begins here, as far as it is known: what is open already belongs to this boot.
            self.boot = boot
            return
        # A clock that was set back between the two boots says nothing of what came after the beginning.
        began_us = max(began_us - STARTING_US, self.alive_us) if began_us >= self.alive_us else at
        yield BootEnded(self._proof_us, boot, began_us, at)
        self._past = [*self._past, self.boot][-PAST:]
        self.boot, self._count, self._replay = boot, -1, NoReplay()
        self.alive_us, self._proof_us, self.line_us = 0, at, at
        self._began_us = began_us
        self.froze_us = self.woke_us = 0
        self._freezes.clear()
        self._clock = None
        self._hidden.clear()
        self._hiding = None

    # --- The clock ----------------------------------------------------------------------------------------------------
    def _read_clock(self, clock: ClockReading, at: int, stepped: bool) -> Iterator[TimelineEvent]:
        """Explain the gaps from before the daemon's reading. With `stepped`, the ALIVE itself showed a step back."""
        before, woke_us = self._clock, self.woke_us
        if before is not None and clock.uptime_us <= before.uptime_us:
            return  # ALIVE repeats the last reading until the daemon takes another
        self._clock = clock
        if before is None:
            return
        # Only a step changes the offset of the clock to the kernel's count of time; a freeze does not.
        step = clock.offset_us - before.offset_us
        if step <= -STEP_US:
            if not stepped:
                yield self._step_back(-step, at, False)
        elif step >= STEP_US:
            # Spans are on the old clock. Stretched up to now, they cover the same time on either clock.
            self._hidden = [replace(span, until_us=at) for span in self._hidden]
            if abs(woke_us - self.froze_us - step) <= FREEZE_US:
                self._forget_gap()  # the gap was the step
            self._freezes = [(froze + step, woke + step) for froze, woke in self._freezes]
            yield GapsExplained(step, woke_us > before.at)
        elif clock.at >= woke_us:
            yield GapsExplained(0, False)

    def _forget_gap(self) -> None:
        """The last gap was no freeze."""
        self._freezes = [freeze for freeze in self._freezes if freeze != (self.froze_us, self.woke_us)]
        self.froze_us = self.woke_us = 0

    def _step_back(self, step: int, at: int, shows: bool) -> ClockSteppedBack:
        # A freeze that ended with this very line is on the new clock already.
        self._freezes = [(froze, woke) if woke == at else (froze - step, woke - step) for froze, woke in self._freezes]
        self.line_us = self._proof_us = self.alive_us = at
        if self.woke_us != at:
            self.froze_us = self.woke_us = 0
        return ClockSteppedBack(step, shows)

    # --- Hidden spans -------------------------------------------------------------------------------------------------
    def garbage_read(self, size: int) -> None:
        """Garbage of `size` bytes, over a whole row of it, may hide lines since the last ALIVE."""
        self._open_hidden(size, self._sure_us())

    def _sure_us(self) -> int:
        """Everything before this instant is already in the journal: the last ALIVE, or a freeze right before that."""
        froze_us = self.freeze_behind(self.alive_us, 0)
        return self.alive_us if froze_us is None else froze_us

    def _open_hidden(self, size: int, sure_us: int) -> None:
        endings = size >= ENDING_BYTES or (self._hiding is not None and self._hiding.endings)
        since_us = sure_us if self._hiding is None else self._hiding.since_us
        self._hiding = HiddenSpan(since_us, since_us, endings)

    def hidden_spans(self, at: int) -> list[HiddenSpan]:
        """Spans in which lines may be hidden, as of `at`, the oldest first."""
        return self._hidden if self._hiding is None else [*self._hidden, replace(self._hiding, until_us=at)]

    def _close_hidden(self, at: int) -> None:
        if self._hiding is None:
            return
        self._hidden = self.hidden_spans(at)
        self._hiding = None
        if len(self._hidden) > PAST:
            # Of too many spans, the oldest two become one: no time that may hide something is forgotten.
            first, second, *later = self._hidden
            both = HiddenSpan(first.since_us, second.until_us, first.endings or second.endings)
            self._hidden = [both, *later]


def _replay_of(boot: str) -> Replay:
    """Lines of this boot are replayed. A boot without a name is none."""
    return ReplayOf(boot) if boot else NoReplay()


def _late_by(froze_us: int, woke_us: int) -> int:
    """The time after such a freeze in which Asterisk may still report what happened in it."""
    return min(WAKING_US, (woke_us - froze_us) // 2)
