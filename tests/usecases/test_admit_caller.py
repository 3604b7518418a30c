"""The phone dialogue, with a caller of flesh and script: no Asterisk, no clock but asyncio's own."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

import pytest

from bridge.domain.admission import Entry
from bridge.domain.keypad import Patience
from bridge.domain.passcode import Role
from bridge.usecases.admit_caller import Barrier, CallerGone, Prompt, admit_caller

SILENCE = None
GONE = "gone"
PATIENCE = Patience(first_digit_s=10, inter_digit_s=4, entry_s=30, tries=3)
HOST = Entry("p-1", "a-1", "s-1", "r-1", Role.HOST)
GUEST = Entry("p-2", "a-1", "s-1", "r-1", Role.GUEST)


@dataclass
class FakeDirectory:
    codes: dict[str, Entry]
    in_postgres: dict[str, Entry] = field(default_factory=dict)
    numbers: frozenset[str] = frozenset({"18005550100"})

    def find(self, digits: str) -> Entry | None:
        return self.codes.get(digits)

    async def confirm(self, digits: str) -> Entry | None:
        return self.in_postgres.get(digits)

    def longest(self) -> int:
        return max(map(len, self.codes), default=0)

    def serves(self, number: str) -> bool:
        return number in self.numbers


@dataclass
class FakeCaller:
    """Keys its script: digits, SILENCE for a time-out, GONE to hang up. `story` tells what it heard and did."""

    script: deque[str | None]
    number: str = "18005550100"
    tries: int = 0
    greeted: bool = False
    story: list[object] = field(default_factory=list)
    silences: list[float] = field(default_factory=list)

    async def answer(self) -> None:
        self.story.append("answered")

    async def say(self, *prompts: Prompt) -> None:
        self.story.extend(prompts)

    async def say_whole(self, *prompts: Prompt) -> None:
        self.story.extend(prompts)

    async def key(self, silence_s: float) -> str | None:
        self.silences.append(silence_s)
        if not self.script:
            await asyncio.sleep(3600)
        key = self.script.popleft()
        if key == GONE:
            raise CallerGone
        return key

    async def count_try(self, tries: int) -> None:
        self.story.append(tries)

    async def join(self, entry: Entry) -> None:
        self.story.append(entry)

    async def refuse(self) -> None:
        self.story.append("refused")


def keying(*keys: str | None, **about: object) -> FakeCaller:
    script: list[str | None] = []
    for key in keys:
        script.extend([key] if key in (SILENCE, GONE) else key)
    return FakeCaller(deque(script), **about)  # type: ignore[arg-type]


def directory() -> FakeDirectory:
    return FakeDirectory({"7413827": HOST, "8520741": GUEST})


async def dial(caller: FakeCaller, found: FakeDirectory | None = None, patience: Patience = PATIENCE) -> bool:
    return await admit_caller(caller, found or directory(), patience, barrier())


def barrier(*answers: str | None) -> Barrier:
    """A barrier that answers so, one time after the other, and then that all is well."""
    left = deque(answers)

    async def ask() -> str | None:
        return left.popleft() if left else None

    return ask


async def test_the_digit_that_completes_a_code_admits_at_once() -> None:
    caller = keying("7413827", "#")
    assert await dial(caller)
    assert caller.story == ["answered", Prompt.GREETING, Prompt.PASSCODE, HOST]
    assert list(caller.script) == ["#"]


async def test_a_guest_is_admitted_as_a_guest() -> None:
    caller = keying("8520741")
    assert await dial(caller)
    assert caller.story[-1] == GUEST


async def test_a_wrong_code_is_told_and_may_be_tried_again() -> None:
    caller = keying("9999999#", "7413827")
    assert await dial(caller)
    assert caller.story[3:] == [1, Prompt.WRONG, Prompt.PASSCODE_AGAIN, HOST]


@pytest.mark.parametrize(
    "keys",
    [
        ("9999999#", "741#", "1" * 40 + "#"),
        ("9999999", SILENCE, "741", SILENCE, "0" * 600, SILENCE),
        (SILENCE, SILENCE, SILENCE),
        ("***", SILENCE, "12*", SILENCE, "#", SILENCE),
        ("ABCD", SILENCE, SILENCE, "7413828#"),
    ],
    ids=["ended by hash", "ended by silence", "nothing", "cleared", "letters"],
)
async def test_three_tries_then_a_spoken_refusal(keys: tuple[str | None, ...]) -> None:
    caller = keying(*keys)
    assert not await dial(caller)
    assert [item for item in caller.story if isinstance(item, int)] == [1, 2, 3]
    assert caller.story[-2:] == [Prompt.REFUSED, "refused"]
    assert not any(isinstance(item, Entry) for item in caller.story)


async def test_silence_and_wrong_digits_are_told_apart() -> None:
    caller = keying(SILENCE, "1#", GONE)
    with pytest.raises(CallerGone):
        await dial(caller)
    assert [prompt for prompt in caller.story if prompt in (Prompt.NOTHING_KEYED, Prompt.WRONG)] == [
        Prompt.NOTHING_KEYED,
        Prompt.WRONG,
    ]


async def test_star_begins_an_entry_anew() -> None:
    caller = keying("74*7413827")
    assert await dial(caller)


async def test_digits_behind_a_code_too_long_do_not_spill_into_the_next_try() -> None:
    caller = keying("99999997413827#", "8520741")
    assert await dial(caller)
    assert caller.story[-1] == GUEST


@pytest.mark.parametrize("at", range(9))
async def test_hanging_up_at_any_point_ends_the_dialogue(at: int) -> None:
    caller = keying(*"99#741382"[:at], GONE)
    with pytest.raises(CallerGone):
        await dial(caller)
    assert not any(isinstance(item, Entry) for item in caller.story)


async def test_an_unknown_number_is_told_so() -> None:
    caller = keying("7413827", number="18005550199")
    assert not await dial(caller)
    assert caller.story == ["answered", Prompt.NOT_IN_SERVICE, "refused"]


async def test_a_node_that_must_not_admit_says_so() -> None:
    caller = keying("7413827")
    assert not await admit_caller(caller, directory(), PATIENCE, barrier("another node is in charge"))
    assert caller.story == ["answered", Prompt.NOT_READY, "refused"]


async def test_a_barrier_that_comes_down_during_the_dialogue_holds_at_the_door() -> None:
    caller = keying("7413827")
    assert not await admit_caller(caller, directory(), PATIENCE, barrier(None, "the journal's disk is full"))
    assert caller.story == ["answered", Prompt.GREETING, Prompt.PASSCODE, Prompt.NOT_READY, "refused"]


async def test_tries_before_a_restart_count() -> None:
    caller = keying("1#", tries=2, greeted=True)
    assert not await dial(caller)
    assert caller.story == ["answered", Prompt.PASSCODE_AGAIN, 3, Prompt.REFUSED, "refused"]


async def test_no_tries_left_after_a_restart_is_a_refusal() -> None:
    caller = keying("7413827", tries=3, greeted=True)
    assert not await dial(caller)


async def test_a_code_that_only_postgres_knows_yet_is_confirmed() -> None:
    found = FakeDirectory({}, in_postgres={"1112223": HOST})
    caller = keying("1112223#")
    assert await dial(caller, found)
    assert caller.story[-1] == HOST


async def test_an_entry_has_an_end_in_all() -> None:
    caller = keying("74")
    patience = Patience(first_digit_s=10, inter_digit_s=4, entry_s=0.05, tries=1)
    async with asyncio.timeout(5):
        assert not await dial(caller, patience=patience)


async def test_patience_is_that_of_the_settings() -> None:
    caller = keying("1", SILENCE, GONE)
    with pytest.raises(CallerGone):
        await dial(caller)
    assert caller.silences == [10, 4, 10]
