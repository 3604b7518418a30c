"""A switch as it really was, and the journal it wrote: what the fold concludes is compared with what happened.

Times of the truth are µs since the machine's start; the journal's are those of a clock that may be stepped.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.domain.metering.journals import BEAT, HEART, SECOND, START, CallLines, alive, boot_name, line

RTP_TIMEOUT = 60 * SECOND
REVIVAL = 5 * SECOND
LOOK = 5 * SECOND
EARLY = 3000
"""So long before its BOOT line a switch may write other lines."""


@dataclass(frozen=True)
class Truth:
    """One stay as it was: until the caller left, their audio ended, or the switch died. `exit` is when the switch ended
    it: later than `left` where it waited for audio. `wall` is what the clock showed at the join."""

    uniqueid: str
    bridge: str
    joined: int
    left: int
    exit: int
    wall: int

    @property
    def duration(self) -> int:
        return self.left - self.joined


@dataclass
class World:
    """All stays that really happened, and every line of the journal with its channel, in the order of writing.

    `end` is the last time that the clock showed."""

    truths: list[Truth] = field(default_factory=list)
    lines: list[tuple[str, bytes]] = field(default_factory=list)
    stepped: bool = False
    end: int = 0


@dataclass(frozen=True)
class Boot:
    """One life of the switch. `freezes` are (begin, length), `steps` (instant, how far), `away` is the daemon; whether
    BYEs that come during a freeze may be `late`."""

    number: int
    begin: int
    end: int
    offset: int
    freezes: tuple[tuple[int, int], ...]
    steps: tuple[tuple[int, int], ...]
    away: tuple[int, int]
    late: bool = False

    @property
    def heart(self) -> str:
        return f"n-{self.number + 1}.0"

    @property
    def began(self) -> int:
        """The time when the boot began, by its clock."""
        return self.begin + self.offset

    def written(self, due: int) -> int:
        """Return the time when something due at `due` is done: after the freeze, if the switch is frozen then."""
        for begin, length in self.freezes:
            if begin <= due < begin + length:
                return begin + length + 40
        return due

    def heard(self, chance: random.Random, due: int) -> int:
        """Return when the switch reads a BYE sent at `due`. If the kernel drops one, it is repeated within 4 s."""
        at = self.written(due)
        if self.late and at != due and chance.random() < 0.5:
            length = next(length for begin, length in self.freezes if begin <= due < begin + length)
            at = self.written(at + chance.randint(0, min(4 * SECOND, length // 2)))
        return at

    def wall(self, at: int) -> int:
        """Return the time that the clock shows at `at`."""
        return at + self.offset + sum(step for since, step in self.steps if since <= at)


def world(chance: random.Random, calls: int, quiet: bool = False, late: bool = False) -> World:
    """A switch's life with so many calls a boot. A `quiet` one has one boot, and neither freezes nor steps.
    Where BYEs are `late`, the kernel drops some that come during a freeze, and they are repeated after it."""
    made, offset, begin = World(), START, 1000 * SECOND
    for number in range(1 if quiet else chance.choice((1, 1, 2, 3))):
        boot = _boot(chance, number, begin, offset, quiet, late)
        events = list(_heart(chance, boot))
        # Who waits for the switch to start is there before its BOOT line. A clock that was set back hides that.
        waiting = number == 0 or boot.began > made.end
        for index in range(calls):
            early = waiting and not quiet and chance.random() < 0.1
            events += _call(chance, boot, f"n-{number + 1}.{index + 1}", made.truths, early)
        events.sort(key=lambda event: event[0])
        made.lines += [(channel, text) for at, channel, text in events if at < boot.end]
        made.stepped |= bool(boot.steps)
        made.end = boot.wall(boot.end)
        offset += sum(step for _, step in boot.steps)
        offset += 0 if quiet else chance.choice((0, 0, 0, -3600, 7200)) * SECOND
        begin = boot.end + chance.randint(1, 400) * SECOND
    return made


def _boot(chance: random.Random, number: int, begin: int, offset: int, quiet: bool, late: bool) -> Boot:
    freezes: list[tuple[int, int]] = []
    steps: list[tuple[int, int]] = []
    at = begin + 5 * SECOND
    while not quiet and len(freezes) + len(steps) < 3 and chance.random() < 0.6:
        at += chance.randint(3 * SECOND // 2, 30 * SECOND)
        if chance.random() < 0.6:
            length = chance.randint(800_000, 40 * SECOND)
            freezes.append((at, length))
            at += length
        else:
            steps.append((at, chance.choice((-1, 1)) * chance.randint(800_000, 500 * SECOND)))
            at += REVIVAL + SECOND  # a second step before a beat has shown the first is beyond what can be told
    end = max(begin + chance.randint(60, 150) * SECOND, at + 10 * SECOND)
    if late and freezes and chance.random() < 0.3:
        # It is killed shortly after it woke.
        end = max(sum(freezes[-1]), at) + chance.randint(SECOND // 10, 6 * SECOND)
    gone = chance.randint(begin, end)
    away = (gone, gone + chance.randint(0, 60 * SECOND)) if chance.random() < 0.4 and not quiet else (0, 0)
    return Boot(number, begin, end, offset, tuple(freezes), tuple(steps), away, late)


def _heart(chance: random.Random, boot: Boot) -> Iterator[tuple[int, str, bytes]]:
    at, beat = boot.begin, 0
    start = line("CHAN_START", boot.wall(at) - EARLY, boot.heart, channame=HEART)
    yield at - EARLY, "heart", start
    name = {"extra": boot_name(boot.heart, boot.began)}
    yield at, "heart", line("BOOT", boot.wall(at), boot.heart, name, channame=HEART)
    while at < boot.end:
        said = at - chance.randint(0, BEAT)
        if boot.away[0] <= said < boot.away[1]:
            said = boot.away[0]
        clock = (boot.wall(said) - said, said) if said > boot.begin else None
        yield at, "heart", alive(boot.wall(at), beat, boot.heart, clock, boot.began)
        due = at + BEAT + chance.randint(0, 3000)
        # Asterisk waits by the wall clock: a step back makes it wait on, until the daemon starts another heart.
        due += sum(min(-step, REVIVAL) for since, step in boot.steps if step < 0 and at < since <= due)
        at, beat = boot.written(due), beat + 1


def _call(
    chance: random.Random, boot: Boot, uniqueid: str, truths: list[Truth], early: bool
) -> list[tuple[int, str, bytes]]:
    found: list[tuple[int, str, bytes]] = []

    def say(event: str, due: int, extra: object = "", **fields: str) -> int:
        at = boot.written(due)
        found.append((at, uniqueid, line(event, boot.wall(at), uniqueid, extra, **fields)))
        return at

    stamps = CallLines(uniqueid, 0).stamps
    cause, source = chance.choice(((16, f"PJSIP/trunk-{uniqueid}"), (16, ""), (44, ""), (31, "")))
    result = "HANGUP" if cause == 44 else chance.choice(("HANGUP", "HANGUP", "KICKED", "TIMEOUT"))
    first, last = (boot.begin - EARLY, boot.begin) if early else (boot.begin + SECOND, boot.end - 2 * SECOND)
    at = say("CHAN_START", chance.randint(first, last))
    at = say("CALLED", at + 100, {"extra": f"18005550100:{uniqueid}@pbx"})
    at = say("ANSWER", at + 100, appname="Stasis")
    turns = chance.choice((0, 1, 1, 1, 2))
    for turn in range(turns):
        bridge = {"bridge_id": f"b-{boot.number}-{turn}", "bridge_technology": "softmix"}
        at = say("APP_START", at + chance.randint(100, 5 * SECOND), **stamps)
        joined = at = say("BRIDGE_ENTER", at + chance.randint(50, 300_000), bridge, **stamps)
        leaves = joined + chance.randint(0, 60 * SECOND)
        due, silent = leaves, cause == 44 and turn == turns - 1
        if silent and not boot.steps:
            # A switch that was frozen hears what is left of the audio as it wakes.
            due = boot.written(leaves) + RTP_TIMEOUT + chance.randint(0, SECOND)
        at = say("BRIDGE_EXIT", due if silent else boot.heard(chance, due), bridge, **stamps)
        if silent and boot.steps and at < boot.end:
            leaves = max(joined, at - RTP_TIMEOUT - SECOND)
        if joined < boot.end:
            end = min(at, boot.end)
            truths.append(Truth(uniqueid, bridge["bridge_id"], joined, min(leaves, boot.end), end, boot.wall(joined)))
            # Who comes back while nothing can be written is taken to have stayed by whoever sees them then.
            found += _words(chance, boot, uniqueid, joined, end) if turns == 1 else ()
    gone = at
    at = say("LEFT", at + chance.randint(10, 4000), {"extra": f"{result if turns else ''}:{cause}"}, **stamps)
    at = say("ENDED", at + 10, {"extra": f":{uniqueid}@pbx"}, **stamps)
    at = say("HANGUP", at + 10, {"hangupcause": cause, "hangupsource": source}, **stamps)
    say("CHAN_END", at, **stamps)
    say("LINKEDID_END", at, **stamps)
    if turns == 1 and cause != 44 and not boot.steps:
        # The daemon looks three times before it says so. Of dead audio it knows nothing.
        seen = gone - chance.randint(1, LOOK)
        seen = boot.wall(seen) if seen > joined and boot.written(seen) == seen else 0
        found.append(_word(boot, "ABSENT", at + 3 * LOOK, f"{uniqueid}:{seen}"))
    return found


def _words(chance: random.Random, boot: Boot, uniqueid: str, joined: int, end: int) -> Iterator[tuple[int, str, bytes]]:
    """Yield the lines that the daemon writes now and then about a participant who is in the room."""
    at = joined + chance.randint(1, 2 * LOOK)
    while at < end and not boot.steps:
        asked = at - chance.randint(0, 200_000)
        if chance.random() < 0.3 and boot.written(asked) == asked and boot.written(at) == at:
            yield _word(boot, "PRESENT", at, f"{boot.wall(asked)}:{uniqueid}")
        at += LOOK


def _word(boot: Boot, event: str, due: int, about: str) -> tuple[int, str, bytes]:
    at = boot.written(due)
    return at, "word", line(event, boot.wall(at), f"{boot.heart}9", {"extra": about}, channame=HEART)
