"""The plan of a run: its calls and its faults, a pure function of the seed and the profile.

Times are in seconds after the first call.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

Lane = Literal["daemon", "asterisk", "postgres", "journal"]


class Kind(StrEnum):
    """The kinds of fault. A fault that lasts is healed after its length."""

    DAEMON_KILL = "daemon kill -9"
    DAEMON_FREEZE = "daemon SIGSTOP"
    DAEMON_RESTART = "daemon SIGTERM"
    ARI_CUT = "ARI cut"
    ARI_SILENCE = "ARI silent"
    AMI_CUT = "AMI cut"
    AMI_SILENCE = "AMI silent"
    ASTERISK_KILL = "Asterisk kill -9"
    ASTERISK_FREEZE = "Asterisk SIGSTOP"
    ASTERISK_RESTART = "Asterisk SIGTERM"
    POSTGRES_KILL = "Postgres kill -9"
    POSTGRES_FREEZE = "Postgres SIGSTOP"
    POSTGRES_RESTART = "Postgres restart"
    POSTGRES_CUT = "Postgres connections cut"
    JOURNAL_ROTATE = "journal renamed"
    JOURNAL_COPY = "journal copied and truncated"
    JOURNAL_GARBAGE = "garbage in the journal"
    JOURNAL_HALF = "half a line in the journal"
    JOURNAL_NUL = "NULs in the journal"
    JOURNAL_AGAIN = "old lines again in the journal"
    JOURNAL_CUT = "end of the journal cut off"
    DISK_FULL = "journal's disk full"


LANES: Final[Mapping[Lane, tuple[Kind, ...]]] = {
    "daemon": (
        *(Kind.DAEMON_KILL, Kind.DAEMON_FREEZE, Kind.DAEMON_RESTART),
        *(Kind.ARI_CUT, Kind.ARI_SILENCE, Kind.AMI_CUT, Kind.AMI_SILENCE),
    ),
    "asterisk": (Kind.ASTERISK_FREEZE, Kind.ASTERISK_KILL, Kind.ASTERISK_FREEZE, Kind.ASTERISK_RESTART),
    "postgres": (Kind.POSTGRES_KILL, Kind.POSTGRES_FREEZE, Kind.POSTGRES_RESTART, Kind.POSTGRES_CUT),
    "journal": (
        *(Kind.JOURNAL_ROTATE, Kind.JOURNAL_GARBAGE, Kind.JOURNAL_HALF, Kind.JOURNAL_NUL),
        *(Kind.JOURNAL_AGAIN, Kind.JOURNAL_CUT, Kind.DISK_FULL, Kind.JOURNAL_COPY),
    ),
}
"""Faults of one lane never overlap; those of different lanes do."""
FREEZES: Final = (Kind.DAEMON_FREEZE, Kind.ASTERISK_FREEZE, Kind.POSTGRES_FREEZE)
SILENCES: Final = (Kind.ARI_SILENCE, Kind.AMI_SILENCE)
SHORTEST_FREEZE_S, LONGEST_SILENCE_S, LONGEST_ABSENCE_S = 1.0, 25.0, 4.0


@dataclass(frozen=True, slots=True)
class Profile:
    """The number of calls and faults of a run. `gaps_s` is the mean pause between two faults of a lane.

    For the first `calm_s` seconds Asterisk is left alone and can write. So nothing but the lack of audio ends the calls
    of the ghosts, which come at the beginning.
    """

    duration_s: float
    rate: float
    longest_stay_s: float
    longest_freeze_s: float
    gaps_s: Mapping[Lane, float]
    ghosts: int = 3
    calm_s: float = 75.0
    without: frozenset[Kind] = frozenset()


@dataclass(frozen=True, slots=True)
class Visit:
    """One caller: its number from 1 on, room and role, and the seconds before keying and after the last digit.

    A caller who abandons keys half a code `think_s` after the answer, and hangs up.
    """

    number: int
    room: int
    role: Literal["host", "guest"]
    think_s: float
    stay_s: float
    abandons: bool


@dataclass(frozen=True, slots=True)
class Ghost:
    """A caller who vanishes without BYE, `stay_s` after the last digit."""

    at_s: float
    room: int
    stay_s: float


@dataclass(frozen=True, slots=True)
class Fault:
    """One planned fault. `seed` makes the random values that it needs."""

    at_s: float
    lane: Lane
    kind: Kind
    length_s: float
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The calls and the faults of a run."""

    seed: int
    visits: tuple[Visit, ...]
    ghosts: tuple[Ghost, ...]
    faults: tuple[Fault, ...]


def make(seed: int, profile: Profile, rooms: int) -> Plan:
    """Make the plan of a seed. The same arguments always make the same plan."""
    faults = [fault for lane in LANES for fault in _lane(seed, profile, lane)]
    return Plan(
        seed,
        tuple(_visits(seed, profile, rooms)),
        tuple(_ghosts(seed, profile, rooms)),
        tuple(sorted(faults, key=lambda fault: fault.at_s)),
    )


def _visits(seed: int, profile: Profile, rooms: int) -> Iterator[Visit]:
    chance = random.Random(f"visits {seed}")
    for number in range(1, int(profile.duration_s * profile.rate) + 1):
        yield Visit(
            number,
            chance.randrange(rooms),
            "host" if chance.random() < 0.4 else "guest",
            # Not in the first half second, in which the answer is still on its way to the daemon.
            chance.uniform(0.5, 3.0),
            min(profile.longest_stay_s, 2.0 + chance.expovariate(4 / profile.longest_stay_s)),
            chance.random() < 0.05,
        )


def _ghosts(seed: int, profile: Profile, rooms: int) -> Iterator[Ghost]:
    chance = random.Random(f"ghosts {seed}")
    for number in range(profile.ghosts):
        yield Ghost(0.5 + number, chance.randrange(rooms), chance.uniform(2.0, 4.0))


def _lane(seed: int, profile: Profile, lane: Lane) -> Iterator[Fault]:
    chance = random.Random(f"{lane} {seed}")
    at = profile.calm_s if lane == "asterisk" else 5.0
    at += chance.uniform(0.0, 0.5) * profile.gaps_s[lane]
    kinds = _dealt(chance, [kind for kind in LANES[lane] if kind not in profile.without])
    for kind in kinds:
        if kind is Kind.DISK_FULL and at < profile.calm_s:
            continue
        length = _length(chance, kind, profile.longest_freeze_s)
        if at + length > profile.duration_s:
            return
        yield Fault(round(at, 3), lane, kind, round(length, 3), chance.getrandbits(32))
        at += length + profile.gaps_s[lane] * chance.uniform(0.5, 1.5)


def _dealt(chance: random.Random, kinds: list[Kind]) -> Iterator[Kind]:
    """Yield every kind once, in a random order, before any kind comes again."""
    while kinds:
        yield from chance.sample(kinds, len(kinds))


def _length(chance: random.Random, kind: Kind, longest_freeze_s: float) -> float:
    if kind in FREEZES:
        # Evenly spread on a logarithmic scale: a freeze of a second matters as much as one of a minute.
        return float(SHORTEST_FREEZE_S * (longest_freeze_s / SHORTEST_FREEZE_S) ** chance.random())
    if kind in SILENCES:
        return chance.uniform(1.0, min(longest_freeze_s, LONGEST_SILENCE_S))
    if kind is Kind.DISK_FULL:
        return chance.uniform(3.0, 8.0)
    if kind.name.startswith("JOURNAL_") or kind is Kind.POSTGRES_CUT:
        return 0.0
    return chance.uniform(0.1, LONGEST_ABSENCE_S)
