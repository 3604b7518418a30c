"""The strategies of attackers on the phone. Each is a coroutine that attacks until it is cancelled."""

import asyncio
import itertools
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from bridge.domain.admission.bucket import DAY_S
from bridge.domain.admission.guessing import MONTH_S
from tests.attack.codes import NUMBER, PIN_DIGITS, SECOND_NUMBER, uuid
from tests.attack.installation import Installation, clock
from tests.attack.lines import Entry, Line

LINES: Final = 30
OWN_SUB_ACCOUNT: Final = uuid(900)
VICTIM: Final = uuid(901)
TRUNK: Final = "203.0.113.5"


@dataclass
class Attacker:
    """Who attacks an installation, with `lines` lines. Guesses are as long as the longest code, by which most are
    matched."""

    installation: Installation
    lines: int = LINES
    _forged: Iterator[int] = field(default_factory=itertools.count)

    def guess(self, length: int | None = None) -> str:
        return self.installation.codes.digits(length)

    def forged(self) -> str:
        """A number that nobody has called from."""
        return f"+1212{2_000_000 + next(self._forged) % 7_000_000}"

    async def call(
        self, caller: str, *entries: Entry, number: str = NUMBER, node: int = 0, impatient_s: float | None = None
    ) -> Line:
        line = Line(deque(entries), caller, number, TRUNK, impatient_s)
        await line.call(self.installation.nodes[node])
        return line

    async def on_all_lines(self, one_call: Callable[[int], Awaitable[object]], for_s: float = math.inf) -> None:
        """Repeat a call on each line. After `for_s` no more calls begin."""
        end = clock() + for_s

        async def line(place: int) -> None:
            # Real lines do not begin at one instant.
            await asyncio.sleep(place * 0.04)
            while clock() < end:
                await one_call(place)
                await asyncio.sleep(0.1)

        async with asyncio.TaskGroup() as group:
            for place in range(self.lines):
                group.create_task(line(place))


Attack = Callable[[Attacker], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy: its name, the attack, and how it is simulated.

    `prepare` comes before the simulation begins. `measured_s` is simulated, and the month is extrapolated from its
    second half. A `fast` one must raise the alarm, and of one at a PIN the owner must be told. `sizes` is False where
    the number of codes makes no difference, and `spread` is True where more than one number is attacked.
    """

    name: str
    attack: Attack
    prepare: Attack | None = None
    nodes: int = 1
    fast: bool = True
    at_pin: bool = False
    sizes: bool = True
    spread: bool = False
    measured_s: float = 600.0
    honest: bool = True


# --- Guessing passcodes -------------------------------------------------------------------------------------------
async def parallel(attacker: Attacker) -> None:
    """Forged numbers, three guesses a call, each ended by #."""
    await attacker.on_all_lines(lambda _: attacker.call(attacker.forged(), *_guesses(attacker)))


async def two_numbers(attacker: Attacker) -> None:
    """The same on two access numbers."""

    def one(place: int) -> Awaitable[object]:
        number = SECOND_NUMBER if place % 2 else NUMBER
        return attacker.call(attacker.forged(), *_guesses(attacker), number=number)

    await attacker.on_all_lines(one)


async def withheld(attacker: Attacker) -> None:
    """No number at all."""
    await attacker.on_all_lines(lambda _: attacker.call("", *_guesses(attacker)))


async def early_hang_up(attacker: Attacker) -> None:
    """A whole code, and 0.25 s later a hang-up."""
    await attacker.on_all_lines(
        lambda _: attacker.call(attacker.forged(), Entry(attacker.guess(), hang_up_s=0.25), impatient_s=0.25)
    )


async def star(attacker: Attacker) -> None:
    """Each guess taken back by * before it is judged, eight in one entry."""

    def entry() -> Entry:
        return Entry("*".join(attacker.guess() for _ in range(8)) + "#", pace_s=0.02)

    await attacker.on_all_lines(lambda _: attacker.call(attacker.forged(), entry(), entry(), entry()))


async def info_digits(attacker: Attacker) -> None:
    """All keys of a guess at once, as packets of SIP INFO may come."""
    await attacker.on_all_lines(
        lambda _: attacker.call(
            attacker.forged(), *(Entry(f"{attacker.guess()}#", after_s=0.05, pace_s=0.0) for _ in range(3))
        )
    )


async def low_and_slow(attacker: Attacker) -> None:
    """Fewer wrong entries than raise the alarm: 13 a minute on each of two access numbers, from ever new numbers."""

    async def one(place: int) -> None:
        await asyncio.sleep(60 / 13)
        await attacker.call(attacker.forged(), Entry(f"{attacker.guess()}#"), number=(NUMBER, SECOND_NUMBER)[place])

    attacker.lines = 2
    await attacker.on_all_lines(one)


async def several_nodes(attacker: Attacker) -> None:
    """Ten lines to each of three nodes."""
    await attacker.on_all_lines(lambda place: attacker.call(attacker.forged(), *_guesses(attacker), node=place % 3))


async def repeated(attacker: Attacker) -> None:
    """Wrong guesses again. They were judged in turn, when only the whole of each was looked up; again, they cost
    nothing, and each digit is looked up."""
    while True:
        judged_in_turn: list[str] = []

        async def one(_: int, judged: list[str] = judged_in_turn) -> None:
            digits = [attacker.guess() for _ in range(3)]
            line = await attacker.call(attacker.forged(), *(Entry(f"{each}#") for each in digits))
            judged.extend(digits[: line.tries])

        await attacker.on_all_lines(one, for_s=600)
        # Nobody waits any more, and the number's bucket holds a few slots.
        await asyncio.sleep(60)
        again = iter(judged_in_turn)

        async def repeat(_: int, left: Iterator[str] = again) -> None:
            digits = list(itertools.islice(left, 3))
            if not digits:
                await asyncio.sleep(1)
            await attacker.call(attacker.forged(), *(Entry(f"{each}#") for each in digits))

        await attacker.on_all_lines(repeat, for_s=150)


# --- Using an account of one's own --------------------------------------------------------------------------------
async def _own_known_callers(attacker: Attacker) -> None:
    own = attacker.installation.codes
    own.own.add(OWN_SUB_ACCOUNT)
    for place in range(100):
        own.knowing[_own_number(place)] = frozenset({OWN_SUB_ACCOUNT})


def _own_number(place: int) -> str:
    return f"+1646555{place:04}"


async def bought(attacker: Attacker) -> None:
    """A hundred numbers that a sub-account of the attacker's own knows."""
    numbers = itertools.cycle(range(100))
    await attacker.on_all_lines(lambda _: attacker.call(_own_number(next(numbers)), *_guesses(attacker)))


async def bought_hang_up(attacker: Attacker) -> None:
    """The same numbers, and a hang-up 0.25 s after each whole code."""
    numbers = itertools.cycle(range(100))
    await attacker.on_all_lines(
        lambda _: attacker.call(_own_number(next(numbers)), Entry(attacker.guess(), hang_up_s=0.25), impatient_s=0.25)
    )


async def _become_regulars(attacker: Attacker) -> None:
    """Admissions on three days make a hundred numbers regulars of the attacker's own sub-account."""
    codes = attacker.installation.codes
    codes.own.add(OWN_SUB_ACCOUNT)
    own_code = codes.make(OWN_SUB_ACCOUNT)
    for _ in range(3):
        for place in range(100):
            await attacker.call(_own_number(place), Entry(own_code))
        await asyncio.sleep(DAY_S)


async def credit(attacker: Attacker) -> None:
    """Before each three guesses, an admission from the same number by one of 200 codes of the attacker's own."""
    codes = attacker.installation.codes
    codes.own.add(OWN_SUB_ACCOUNT)
    own_codes = itertools.cycle([codes.make(OWN_SUB_ACCOUNT) for _ in range(200)])

    async def one(place: int) -> None:
        await attacker.call(_own_number(place), Entry(next(own_codes)))
        await attacker.call(_own_number(place), *_guesses(attacker))

    await attacker.on_all_lines(one)


# --- Guessing the PIN of one passcode -----------------------------------------------------------------------------
def _pin_of(sub_account_id: str, known_numbers: int = 0) -> Attack:
    """Prepares a passcode with a PIN, whose sub-account knows some numbers."""

    async def prepare(attacker: Attacker) -> None:
        codes = attacker.installation.codes
        codes.make(sub_account_id, pin=codes.digits(PIN_DIGITS))
        for place in range(known_numbers):
            codes.knowing[_own_number(place)] = frozenset({sub_account_id})

    return prepare


def _leaked(attacker: Attacker) -> str:
    """The passcode whose PIN is guessed."""
    return next(digits for digits, grant in attacker.installation.codes.known.items() if grant.pin)


def _pin_guesses(attacker: Attacker) -> Iterator[Entry]:
    for _ in range(3):
        yield Entry(_leaked(attacker))
        yield Entry(f"{attacker.guess(PIN_DIGITS)}#")


async def pin(attacker: Attacker) -> None:
    """Forged numbers, three PINs a call."""
    await attacker.on_all_lines(lambda _: attacker.call(attacker.forged(), *_pin_guesses(attacker)))


async def pin_hang_up(attacker: Attacker) -> None:
    """A PIN, and 0.25 s later a hang-up."""

    def one(_: int) -> Awaitable[object]:
        guess = Entry(attacker.guess(PIN_DIGITS), hang_up_s=0.25)
        return attacker.call(attacker.forged(), Entry(_leaked(attacker)), guess, impatient_s=0.25)

    await attacker.on_all_lines(one)


async def pin_known(attacker: Attacker) -> None:
    """PINs from numbers that the passcode's sub-account knows, forged."""
    numbers = itertools.cycle(range(5))
    await attacker.on_all_lines(lambda _: attacker.call(_own_number(next(numbers)), *_pin_guesses(attacker)))


async def _own_pin(attacker: Attacker) -> None:
    attacker.installation.codes.own.add(OWN_SUB_ACCOUNT)
    await _pin_of(OWN_SUB_ACCOUNT, known_numbers=5)(attacker)


async def pin_month(attacker: Attacker) -> None:
    """One call each time when one more PIN may be wrong, for a whole month."""
    while True:
        await attacker.call(attacker.forged(), *itertools.islice(_pin_guesses(attacker), 2))
        await asyncio.sleep(DAY_S / 20 if attacker.installation.openings.judged >= 20 else 60)


def _guesses(attacker: Attacker) -> list[Entry]:
    return [Entry(f"{attacker.guess()}#") for _ in range(3)]


STRATEGIES: Final = (
    Strategy("parallel forged numbers", parallel),
    Strategy("the same on two access numbers", two_numbers, spread=True),
    Strategy("withheld number", withheld),
    Strategy("early hang-up", early_hang_up, measured_s=400.0),
    Strategy("* after each guess", star),
    Strategy("digits by INFO", info_digits),
    Strategy("low and slow", low_and_slow, fast=False, spread=True, measured_s=1800.0),
    Strategy("wrong guesses again", repeated, measured_s=2 * 900.0),
    Strategy("three nodes", several_nodes, nodes=3),
    Strategy("own known callers", bought, _own_known_callers),
    Strategy("own known callers, hang-up", bought_hang_up, _own_known_callers, measured_s=400.0),
    Strategy("own regulars", bought, _become_regulars),
    Strategy("credit from own codes", credit),
    Strategy("PIN of one passcode", pin, _pin_of(VICTIM), at_pin=True, sizes=False),
    Strategy("PIN, early hang-up", pin_hang_up, _pin_of(VICTIM), at_pin=True, sizes=False, measured_s=400.0),
    Strategy("PIN, from known numbers", pin_known, _pin_of(VICTIM, known_numbers=5), at_pin=True, sizes=False),
    Strategy("PIN of own passcode, to use slots up", pin_known, _own_pin, at_pin=True, sizes=False),
    Strategy(
        "PIN, a month long",
        pin_month,
        _pin_of(VICTIM),
        fast=False,
        at_pin=True,
        sizes=False,
        measured_s=MONTH_S,
        honest=False,
    ),
)
