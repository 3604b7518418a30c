"""The switch's life as its journal shows it: boots, proof of life, freezes, steps of the clock, and what may be hidden.

Asterisk itself writes BOOT once and ALIVE twice a second, whether a daemon runs or not. ALIVE names its boot, and
counts.

- A boot is over when another begins. Its last proof of life is an ALIVE, or a line of a channel that was there at the
  last ALIVE: a new boot may write lines of other channels before it says BOOT. One whose BOOT line is lost is noticed
  by its first ALIVE.
- A freeze is a gap of more than FREEZE without a line of any kind.
- A gap may be a step of the clock instead. What the daemon last said of the clock, repeated by ALIVE, tells which.
- An ALIVE that does not count on from the last one is read again, and so is everything up to the next that does: it
  changes nothing.
- Garbage may hide something from the beat before to the beat after. Where beats are missing, or garbage is as long as
  all that a channel writes when it ends, whole endings may be hidden.
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
WAKING_US: Final = 4 * SECOND_US + 500_000
"""How long after a freeze an end may be of a caller who hung up during it, after a shorter freeze half of that: where a
queue of the kernel ran over, the BYE comes again, and the last two are at most 4 s apart (T2 of RFC 3261, 17.1.2.2)."""
GIVEN_UP_US: Final = 28 * SECOND_US
"""A freeze that is longer may hide a BYE for good: it is repeated for 32 s, the last two times at most 4 s apart (64 T1
and T2 of RFC 3261, 17.1.2.2)."""
STEP_US: Final = 100_000
REVIVAL_US: Final = 6 * SECOND_US
"""How long a heart may stand still that a step of the clock has stopped."""
PAST: Final = 32
UNKNOWN: Final = "?"
ENDING_BYTES: Final = 2000
"""What a channel that was in a room writes from its exit to its end is longer."""


@dataclass(frozen=True, slots=True)
class HiddenSpan:
    """A span of time in which something may be hidden: `endings` whole endings of channels, else a line or two."""

    since_us: int
    until_us: int
    endings: bool


@dataclass(frozen=True, slots=True)
class SwitchState:
    """What the journal has shown so far of the switch's own timeline. Times are µs since 1970, 0 for never.

    `past` are boots before this one. `beat` and `alive_us` are of the last ALIVE, `proof_us` is the last proof of life,
    `line_us` the newest line. The last freeze, or step of the clock, was from `froze_us` to `woke_us`. `hidden` are
    spans in which something may be hidden, `hiding` one that has not ended yet; `again` is the boot of which lines are
    being read again, if any are. `entering` are about to join a room; `newcomers` have joined one since the last
    ALIVE. `began_us` is when this boot first said anything. `freezes` are the latest of this boot, each from when until
    when, by the clock as it goes now.
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
    again: str = ""
    entering: tuple[Arrival, ...] = ()
    newcomers: tuple[str, ...] = ()
    began_us: int = 0
    freezes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class BootEnded:
    """A boot is over: it lived until `proved_us` at least.

    The next is `boot`. It began at `began_us`, and a line at `named_us` is the first that names it: where the disk was
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
    """A gap of so many µs: a freeze, or the clock was stepped forward."""

    gap_us: int


@dataclass(frozen=True, slots=True)
class GapRetracted:
    """There was no gap of so many µs: a line bore a time to come."""

    gap_us: int


@dataclass(frozen=True, slots=True)
class GapsExplained:
    """The gaps so far are decided: the clock went forward by `step_us`, 0 for not at all. It did so in a gap, or, if it
    was too little for one, nobody can say when since the daemon's last word."""

    step_us: int
    in_gap: bool


@dataclass(frozen=True, slots=True)
class ClockSteppedBack:
    """The clock was stepped back by `step_us` at least; if a beat `shows` it, after the beat before."""

    step_us: int
    shows: bool


@dataclass(frozen=True, slots=True)
class HeartbeatsMissing:
    """So many beats are not in the journal."""

    count: int


TimelineEvent = BootEnded | GapFound | GapRetracted | GapsExplained | ClockSteppedBack | HeartbeatsMissing


class SwitchTimeline:
    """One switch's life up to some line of its journal."""

    def __init__(self, state: SwitchState) -> None:
        self.boot = state.boot
        self.alive_us = state.alive_us
        self.line_us = state.line_us
        self.froze_us, self.woke_us = state.froze_us, state.woke_us
        self._past = list(state.past)
        self._beat = state.beat
        self._proof_us = state.proof_us
        self._clock = state.clock
        self._hidden = list(state.hidden)
        self._hiding = state.hiding
        self._again = state.again
        self._began_us = state.began_us
        self._freezes = list(state.freezes)

    def state(self, entering: tuple[Arrival, ...], newcomers: tuple[str, ...]) -> SwitchState:
        """All of it, as a value."""
        return SwitchState(
            self.boot,
            tuple(self._past),
            self._beat,
            self.alive_us,
            self._proof_us,
            self.line_us,
            self.froze_us,
            self.woke_us,
            self._clock,
            tuple(self._hidden),
            self._hiding,
            self._again,
            entering,
            newcomers,
            self._began_us,
            tuple(self._freezes),
        )

    # --- Lines --------------------------------------------------------------------------------------------------------
    def may_be_replayed(self, fact: Fact) -> bool:
        """Whether this may be read again; what is newer than all that was read is so only among lines of another boot,
        and the next beat tells."""
        return bool(self._again) and (self._again != self.boot or fact.at <= self.line_us)

    def is_before_boot(self, at: int) -> bool:
        """Whether a line of this time is of an earlier boot, read again; or else the clock was set back behind the
        beginning of this one, which the next beat tells."""
        return bool(self._began_us) and at < self._began_us - STEP_US

    def forget_boot_start(self) -> None:
        """The clock was set back behind the beginning of this boot: times tell nothing of boots any more."""
        self._began_us = 0

    def counts_on(self, fact: facts.Alive) -> bool:
        """Whether this beat counts on from the last one, so that nothing before it that is new was read before."""
        return fact.boot == self.boot and fact.count > self._beat

    def end_replay(self) -> None:
        """Nothing is read again from here on."""
        self._again = ""

    def expect_replay(self) -> None:
        """From here on, lines may be read again; the next beat tells."""
        if self.boot:
            self._again = UNKNOWN

    def may_be_replaying(self) -> bool:
        """Whether nothing has told yet if lines are read again: the clock may have gone back instead."""
        return self._again == UNKNOWN

    def is_replaying(self) -> bool:
        """Whether lines are being read again."""
        return bool(self._again)

    def line_written(self, at: int) -> Iterator[TimelineEvent]:
        """A line of any kind was written."""
        gap = at - self.line_us
        if self.line_us and gap > FREEZE_US:
            self.froze_us, self.woke_us = self.line_us, at
            self._freezes = [*self._freezes, (self.line_us, at)][-PAST:]
            yield GapFound(gap)
        self.line_us = max(self.line_us, at)

    def prove_alive(self, at: int, since: int) -> None:
        """A channel that is there since `since` wrote a line: proof of life, if it was there at the last beat."""
        if since <= self.alive_us:
            self._proof_us = max(self._proof_us, at)

    def restart_proof(self, at: int) -> None:
        """Someone came at `at`: if the clock went back, what was proved before is no proof for them."""
        if self.is_step_back(at):
            self._proof_us = self.line_us = at

    def is_step_back(self, at: int) -> bool:
        """Whether a line of this time means that the clock was stepped back since the last beat."""
        return at < self.alive_us - STEP_US

    def freeze_behind(self, at: int, since: int) -> int | None:
        """Return when the freeze began during which something may have happened that the switch noticed at `at`.

        `since` is when the participant joined: an earlier freeze is no matter of theirs. Where a gap begins shortly
        after a freeze, as when the disk is full at waking, what is late by the gap may be late by the freeze as well:
        the first of such a row counts. None if nothing that happened at `at` can be late.
        """
        began: int | None = None
        for froze_us, woke_us in reversed(self._freezes):
            late_us = at if began is None else began
            if since < woke_us and froze_us <= late_us <= woke_us + _late_by(froze_us, woke_us):
                began = froze_us
        return began

    def gaps_since(self, froze_us: int) -> int:
        """Return how long all gaps together were, from the one that began at `froze_us` on."""
        return sum(woke - froze for froze, woke in self._freezes if froze >= froze_us)

    def freeze_before_silence(self, at: int, since: int, quiet_us: int) -> int | None:
        """When a freeze began in which one who was there since `since` may have left for good, if the switch, which
        waits `quiet_us` for audio, had not given them up by `at`; None without such a freeze."""
        for froze_us, woke_us in self._freezes:
            if woke_us - froze_us > GIVEN_UP_US and since < woke_us <= at <= woke_us + quiet_us:
                return froze_us
        return None

    # --- The heart ----------------------------------------------------------------------------------------------------
    def booted(self, fact: facts.Boot) -> Iterator[TimelineEvent]:
        """BOOT was written."""
        if fact.boot == self.boot or fact.boot in self._past:
            self._again = fact.boot
        else:
            yield from self._begin(fact.boot, fact.at, fact.at)

    def heartbeat(self, fact: facts.Alive) -> Iterator[TimelineEvent]:
        """ALIVE was written."""
        if fact.boot in self._past or (fact.boot == self.boot and fact.count <= self._beat):
            self._again = fact.boot
            return
        if fact.boot != self.boot:
            yield from self._begin(fact.boot, fact.at, fact.began_us)
        self._again = ""
        if self.alive_us <= fact.at < self.woke_us:
            yield GapRetracted(self.woke_us - self.froze_us)
            self.line_us = self.froze_us
            self._forget_freeze()
        sure_us = self._sure_us()
        yield from self.line_written(fact.at)
        if stepped := bool(self.alive_us) and self.is_step_back(fact.at):
            yield self._step_back(self.alive_us - fact.at, fact.at, True)
        if 0 <= self._beat < fact.count - 1:
            self._hide(ENDING_BYTES, sure_us)
            yield HeartbeatsMissing(fact.count - self._beat - 1)
        # What lines of other times said meanwhile is of no account.
        self._beat, self.alive_us, self._proof_us, self.line_us = fact.count, fact.at, fact.at, fact.at
        if fact.clock is not None:
            yield from self._told(fact.clock, fact.at, stepped)
        self._unhide(fact.at)

    def _begin(self, boot: str, at: int, began_us: int) -> Iterator[TimelineEvent]:
        if not self.boot:
            # The beginning of the journal as far as it is known: what is there belongs to this boot.
            self.boot = boot
            return
        # A clock that went back between the two tells nothing of what came after the beginning.
        began_us = began_us if began_us >= self.alive_us else at
        yield BootEnded(self._proof_us, boot, began_us, at)
        self._past = [*self._past, self.boot][-PAST:]
        self.boot, self._beat, self._again = boot, -1, ""
        self.alive_us, self._proof_us, self.line_us = 0, at, at
        self._began_us = began_us
        self.froze_us = self.woke_us = 0
        self._freezes.clear()
        self._clock = None
        self._hidden.clear()
        self._hiding = None

    def _told(self, clock: ClockReading, at: int, stepped: bool) -> Iterator[TimelineEvent]:
        """What the daemon said of the clock decides of the gaps before it was said. Steps back may be known."""
        before, woke_us = self._clock, self.woke_us
        if before is not None and clock.uptime_us <= before.uptime_us:
            return  # said before
        self._clock = clock
        if before is None:
            return
        step = clock.offset_us - before.offset_us
        if step <= -STEP_US:
            if not stepped:
                yield self._step_back(-step, at, False)
        elif step >= STEP_US:
            self._hidden = [replace(span, until_us=at) for span in self._hidden]
            if abs(woke_us - self.froze_us - step) <= FREEZE_US:
                self._forget_freeze()  # the gap was the step
            self._freezes = [(froze + step, woke + step) for froze, woke in self._freezes]
            yield GapsExplained(step, woke_us > before.at)
        elif clock.at >= woke_us:
            yield GapsExplained(0, False)

    def _forget_freeze(self) -> None:
        """The last gap was none."""
        self._freezes = [freeze for freeze in self._freezes if freeze != (self.froze_us, self.woke_us)]
        self.froze_us = self.woke_us = 0

    def _step_back(self, step: int, at: int, shows: bool) -> ClockSteppedBack:
        self._freezes = [(froze, woke) if woke == at else (froze - step, woke - step) for froze, woke in self._freezes]
        self.line_us = self._proof_us = self.alive_us = at
        if self.woke_us != at:
            self.froze_us = self.woke_us = 0
        return ClockSteppedBack(step, shows)

    # --- What may be hidden -------------------------------------------------------------------------------------------
    def garbage_read(self, size: int) -> None:
        """So many bytes of garbage: they may hide something since the last beat."""
        self._hide(size, self._sure_us())

    def _sure_us(self) -> int:
        """Until when nothing that is still to be told has happened: the last beat, or the freeze right before it."""
        froze_us = self.freeze_behind(self.alive_us, 0)
        return self.alive_us if froze_us is None else froze_us

    def _hide(self, size: int, sure_us: int) -> None:
        endings = size >= ENDING_BYTES or (self._hiding is not None and self._hiding.endings)
        since_us = sure_us if self._hiding is None else self._hiding.since_us
        self._hiding = HiddenSpan(since_us, since_us, endings)

    def hidden_spans(self, at: int) -> list[HiddenSpan]:
        """Spans in which something may be hidden, as of `at`, the oldest first."""
        return self._hidden if self._hiding is None else [*self._hidden, replace(self._hiding, until_us=at)]

    def _unhide(self, at: int) -> None:
        if self._hiding is None:
            return
        self._hidden = self.hidden_spans(at)
        self._hiding = None
        if len(self._hidden) > PAST:
            first, second, *later = self._hidden
            both = HiddenSpan(first.since_us, second.until_us, first.endings or second.endings)
            self._hidden = [both, *later]


def _late_by(froze_us: int, woke_us: int) -> int:
    """How long after such a freeze the switch may still learn of what befell during it."""
    return min(WAKING_US, (woke_us - froze_us) // 2)
