"""The phone dialogue, with a caller of flesh and script: no Asterisk, no clock but asyncio's own."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest

from bridge.domain.admission.bucket import INSTALLATION, BucketKey, BucketKind, BucketPolicy
from bridge.domain.admission.capacity import Capacity
from bridge.domain.admission.grant import Bar, Barred, DialledNumber, Grant, ParticipantLimits
from bridge.domain.admission.guessing import Allowance
from bridge.domain.admission.keypad import EntryTimeouts
from bridge.domain.admission.numbering import IncomingTrunk, Numbering
from bridge.domain.admission.prompt import Prompt
from bridge.domain.admission.refusal import Refusal
from bridge.domain.admission.seats import Seats
from bridge.domain.admission.slots import CallSource
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.trunk import NumberForm
from bridge.usecases.admission import admit_caller as admit_caller_module
from bridge.usecases.admission.admission_checks import AdmissionChecks, Barrier
from bridge.usecases.admission.admit_caller import admit_caller
from bridge.usecases.admission.guard_entry import Guard
from bridge.usecases.admission.ports import CallerGone
from tests.usecases.admission.fake_caller import GONE, SILENCE, FakeCaller, keying
from tests.usecases.admission.fake_directory import FakeDirectory

NUMBER = "18005550100"
PATIENCE = EntryTimeouts(first_digit_s=10, inter_digit_s=4, entry_s=30, tries=3)
ACCOUNT, SUB_ACCOUNT = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"


def entry(last: int, role: Role = Role.HOST, **about: object) -> Grant:
    return Grant(f"00000000-0000-0000-0000-{last:012}", ACCOUNT, SUB_ACCOUNT, "r-1", role, **about)  # type: ignore[arg-type]


HOST, GUEST = entry(1), entry(2, Role.GUEST)
TWO_STEP = entry(3, pin=b"246810")
LAST_USE = entry(4, uses_left=1)
CODES: dict[str, Grant | Barred] = {
    "7413827": HOST,
    "8520741": GUEST,
    "5550123": TWO_STEP,
    "3692580": LAST_USE,
    **{f"111223{last}": Barred(entry(10 + last), bar) for last, bar in enumerate(Bar)},
}
EXPIRED = next(digits for digits, one in CODES.items() if isinstance(one, Barred) and one.bar is Bar.EXPIRED)


def directory_of(codes: dict[str, Grant | Barred] | None = None, **about: Any) -> FakeDirectory:
    """A directory with one shared number, and CODES by default."""
    about.setdefault("numbers", {NUMBER: DialledNumber(NUMBER)})
    return FakeDirectory(dict(CODES) if codes is None else codes, **about)


class Clock:
    """The guard's clock, which stands still unless a waiting caller moves it on."""

    def __init__(self) -> None:
        self.now = 1.7e9

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


def door(
    found: FakeDirectory | None = None,
    patience: EntryTimeouts = PATIENCE,
    asking: Barrier | None = None,
    clock: Clock | None = None,
    capacity: Capacity | None = None,
    on_guessed_pin: Callable[[Grant], None] = lambda _: None,
    **policies: BucketPolicy,
) -> AdmissionChecks:
    """What is asked of callers. `policies` replace those of some kinds of buckets; the odds are 1 in 1000."""
    directory = found or directory_of()
    allowance = Allowance(1e-3, 1e3)
    kinds = {**allowance.policies(), **{BucketKind(kind): policy for kind, policy in policies.items()}}
    guard = Guard("node1", allowance, directory.known_by, on_guessed_pin=on_guessed_pin, clock=clock or Clock())
    guard.slots.resize(kinds)
    return AdmissionChecks(
        directory, guard, Seats(directory.owner), patience, asking or barrier(), capacity or Capacity(1000)
    )


async def dial(caller: FakeCaller, found: FakeDirectory | None = None, patience: EntryTimeouts = PATIENCE) -> bool:
    return await admit_caller(caller, door(found, patience))


def barrier(*answers: str | None) -> Barrier:
    """A barrier that answers so, one time after the other, and then that all is well."""
    left = deque(answers)

    async def ask() -> str | None:
        return left.popleft() if left else None

    return ask


def left(asked: AdmissionChecks, key: BucketKey) -> int:
    """The wrong entries that a bucket of callers has left."""
    policy = Allowance().policies()[key.kind]
    return round(asked.guard.slots.left(key, asked.guard.now) * policy.burst)


def reasons(asked: AdmissionChecks) -> list[Refusal]:
    return [attempt.reason for attempt in asked.guard.unstored]


# --- The passcode -------------------------------------------------------------------------------------------------
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
        ("9999999*", "99999999*", "999999999*"),
    ],
    ids=["ended by hash", "ended by silence", "nothing", "cleared", "letters", "taken back whole"],
)
async def test_three_tries_then_a_spoken_refusal(keys: tuple[str | None, ...]) -> None:
    caller = keying(*keys)
    assert not await dial(caller)
    assert [item for item in caller.story if isinstance(item, int)] == [1, 2, 3]
    assert caller.story[-2:] == [Prompt.REFUSED, "refused"]
    assert not any(isinstance(item, Grant) for item in caller.story)


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
    assert not any(isinstance(item, Grant) for item in caller.story)


# --- Refused unanswered -------------------------------------------------------------------------------------------
ONE = "5b0c2c5e-64f3-4d0f-a7a5-6c6d5c5c0b11"
ANOTHER = "5b0c2c5e-64f3-4d0f-a7a5-6c6d5c5c0b12"


def trunk(**about: Any) -> dict[str, IncomingTrunk]:
    return {ONE: IncomingTrunk(ONE, "acme", about.pop("numbering", Numbering()), **about)}


def only_over(*trunk_ids: str) -> dict[str, DialledNumber]:
    return {NUMBER: DialledNumber(NUMBER, trunk_ids=frozenset(trunk_ids))}


def busy(others: int, calls: int, trunk_id: str) -> Capacity:
    """A node with so many other callers in the dialogue over the same trunk."""
    capacity = Capacity(calls)
    for number in range(others):
        trunk_uuid = UUID(trunk_id) if trunk_id else None
        source = CallSource(f"+4930777{number}", "192.0.2.7", NUMBER, trunk_id=trunk_uuid)
        capacity.begin(f"other-{number}", source)
    return capacity


TURNED_AWAY: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], Refusal, int]] = {
    "unknown number": ({}, {"number": "18005550199"}, {}, Refusal.UNKNOWN_NUMBER, 1),
    "no number": ({}, {"number": ""}, {}, Refusal.UNKNOWN_NUMBER, 1),
    "a name": ({}, {"number": "sip:alice7@example.com"}, {}, Refusal.UNKNOWN_NUMBER, 1),
    "another trunk": ({"numbers": only_over(ANOTHER)}, {"trunk_id": ONE}, {}, Refusal.OTHER_TRUNK, 1),
    "no trunk": ({"numbers": only_over(ANOTHER)}, {}, {}, Refusal.OTHER_TRUNK, 1),
    "not ready": ({}, {}, {"asking": "another node is in charge"}, Refusal.NOT_READY, 42),
    "trunk full": ({"trunks": trunk(max_calls=2)}, {"trunk_id": ONE, "trunk_calls": 3}, {}, Refusal.TRUNK_FULL, 34),
    "dialogues": (
        {"trunks": trunk(max_dialogues=2)},
        {"trunk_id": ONE},
        {"others": 2},
        Refusal.TOO_MANY_DIALOGUES,
        34,
    ),
    "node full": ({}, {}, {"others": 2, "calls": 3}, Refusal.TOO_MANY_DIALOGUES, 34),
}


@pytest.mark.parametrize("case", TURNED_AWAY)
async def test_what_can_be_refused_without_speaking_is_refused_unanswered(case: str) -> None:
    known, call, asking, reason, cause = TURNED_AWAY[case]
    checks = dict(asking)
    if "asking" in checks:
        checks["asking"] = barrier(checks["asking"])
    checks["capacity"] = busy(checks.pop("others", 0), checks.pop("calls", 1000), call.get("trunk_id", ""))
    asked, caller = door(directory_of(**known), **checks), keying("7413827", **call)
    assert not await admit_caller(caller, asked)
    assert (caller.story, caller.cause) == (["refused"], cause)
    [refused] = asked.guard.unstored
    assert refused.reason is reason
    # It is no guess: nobody waits for it.
    assert len(asked.guard.slots) == 0


@pytest.mark.parametrize("case", ["unknown number", "not ready"])
async def test_who_was_answered_for_music_is_told_why(case: str) -> None:
    known, call, asking, reason, _ = TURNED_AWAY[case]
    checks = {"asking": barrier(asking["asking"])} if asking else {}
    caller = keying("7413827", answered=True, **call)
    assert not await admit_caller(caller, door(directory_of(**known), **checks))
    prompt = Prompt.NOT_READY if reason is Refusal.NOT_READY else Prompt.NOT_IN_SERVICE
    assert (caller.story, caller.cause) == (["answered", prompt, "refused"], 21)


async def test_limits_of_a_trunk_let_in_as_many_as_they_say() -> None:
    known = directory_of(trunks=trunk(max_calls=3, max_dialogues=3))
    caller = keying("7413827", trunk_id=ONE, trunk_calls=3)
    assert await admit_caller(caller, door(known, capacity=busy(2, 1000, ONE)))


async def test_who_waited_with_music_is_not_refused_by_a_limit() -> None:
    known = directory_of(trunks=trunk(max_calls=1))
    assert await admit_caller(keying("7413827", trunk_id=ONE, trunk_calls=9, answered=True), door(known))


@pytest.mark.parametrize(("media", "admitted"), [("198.51.100.9", True), ("203.0.113.1", False), ("", False)])
async def test_audio_goes_to_the_trunks_own_networks_alone(media: str, admitted: bool) -> None:
    known = directory_of(trunks=trunk(media_networks=("198.51.100.0/24",)))
    asked, caller = door(known), keying("7413827", trunk_id=ONE, media=media)
    assert await admit_caller(caller, asked) is admitted
    if not admitted:
        assert caller.story == ["answered", "refused"]
        assert [str(each.trunk_id) for each in asked.guard.unstored] == [ONE]
        assert reasons(asked) == [Refusal.MEDIA_ELSEWHERE]


@pytest.mark.parametrize(
    ("form", "dialled", "called"),
    [
        (NumberForm.E164, "+18005550100", NUMBER),
        (NumberForm.E164, "0018005550100", NUMBER),
        (NumberForm.E164, "18005550100;rn=+14045550000;npdi", NUMBER),
        (NumberForm.NATIONAL, "8005550100", NUMBER),
        (NumberForm.NATIONAL, "<sip:8005550100@10.0.0.1;user=phone>;tag=1", NUMBER),
        (NumberForm.NATIONAL, "01118005550100", NUMBER),
    ],
)
async def test_a_number_is_found_in_the_trunks_own_form(form: NumberForm, dialled: str, called: str) -> None:
    known = directory_of(trunks=trunk(numbering=Numbering(form, "US")))
    caller = keying("7413827", trunk_id=ONE, number=dialled, caller="2125550123")
    assert await admit_caller(caller, door(known))
    assert caller.numbers == ("+12125550123" if form is NumberForm.NATIONAL else "2125550123", called)


async def test_a_placeholder_of_a_withheld_number_is_no_number() -> None:
    caller = keying("7413827", caller="+266696687")
    assert await dial(caller)
    assert caller.numbers == ("", NUMBER)


async def test_a_barrier_that_comes_down_during_the_dialogue_holds_at_the_door_and_gives_the_seat_back() -> None:
    caller, asked = keying("7413827"), door(asking=barrier(None, "the journal's disk is full"))
    assert not await admit_caller(caller, asked)
    assert caller.story == ["answered", Prompt.GREETING, Prompt.PASSCODE, Prompt.NOT_READY, "refused"]
    assert len(asked.seats) == 0


async def test_tries_before_a_restart_count() -> None:
    caller = keying("1#", tries=2, greeted=True)
    assert not await dial(caller)
    assert caller.story == ["answered", Prompt.PASSCODE_AGAIN, 3, Prompt.REFUSED, "refused"]


async def test_no_tries_left_after_a_restart_is_a_refusal() -> None:
    caller = keying("7413827", tries=3, greeted=True)
    assert not await dial(caller)


async def test_a_code_that_only_postgres_knows_yet_is_confirmed() -> None:
    found = directory_of({}, in_postgres={"1112229": HOST})
    caller = keying("1112229#")
    assert await dial(caller, found)
    assert caller.story[-1] == HOST


async def test_a_code_that_postgres_has_let_in_again_is_confirmed() -> None:
    caller = keying(EXPIRED, "#")
    assert await dial(caller, directory_of(in_postgres={EXPIRED: HOST}))


async def test_an_entry_has_an_end_in_all() -> None:
    caller = keying("74")
    patience = EntryTimeouts(first_digit_s=10, inter_digit_s=4, entry_s=0.05, tries=1)
    async with asyncio.timeout(20):
        assert not await dial(caller, patience=patience)


async def test_patience_is_that_of_the_settings() -> None:
    caller = keying("1", SILENCE, GONE)
    with pytest.raises(CallerGone):
        await dial(caller)
    assert caller.silences == [10, 4, 10]


# --- Refusals that must not be told apart -------------------------------------------------------------------------
GUESSES: dict[str, tuple[str, ...]] = {
    "wrong": ("9999999#",),
    **{one.bar.value: (digits, "#") for digits, one in CODES.items() if isinstance(one, Barred)},
}


@pytest.mark.parametrize("guess", list(GUESSES))
async def test_every_code_that_admits_nobody_sounds_the_same_and_counts_the_same(guess: str) -> None:
    asked, caller = door(), keying(*GUESSES[guess] * 3)
    assert not await admit_caller(caller, asked)
    again = [Prompt.WRONG, Prompt.PASSCODE_AGAIN]
    begin = ["answered", Prompt.GREETING, Prompt.PASSCODE]
    assert caller.story == [*begin, 1, *again, 2, *again, 3, Prompt.REFUSED, "refused"]
    assert caller.cause == 21
    assert reasons(asked) == [Refusal(guess)] * 3
    assert len(caller.script) == 0
    # The same digits keyed again cost nothing.
    assert left(asked, BucketKey(BucketKind.CALLER, caller.caller)) == 9


async def test_whose_code_was_barred_is_kept_and_of_a_wrong_one_nothing() -> None:
    asked = door()
    assert not await admit_caller(keying("9999999#", EXPIRED, "#", "9999999#"), asked)
    wrong, barred, _ = asked.guard.unstored
    assert (wrong.account_id, wrong.sub_account_id, wrong.passcode_id) == (None, None, None)
    assert str(barred.account_id) == ACCOUNT
    assert barred.passcode_id is not None


async def test_a_guess_that_is_cut_off_before_it_is_judged_counts() -> None:
    asked = door()
    for keys in ("9999999", "999999"):
        with pytest.raises(CallerGone):
            await admit_caller(keying(keys, GONE), asked)
    assert reasons(asked) == [Refusal.ABANDONED]


async def test_nothing_keyed_is_no_guess() -> None:
    asked = door()
    assert not await admit_caller(keying(SILENCE, SILENCE, SILENCE), asked)
    assert reasons(asked) == []


# --- Two steps ----------------------------------------------------------------------------------------------------
async def test_a_code_with_a_pin_asks_for_it() -> None:
    caller = keying("5550123", "246810")
    assert await dial(caller)
    assert caller.story == ["answered", Prompt.GREETING, Prompt.PASSCODE, Prompt.PIN, TWO_STEP]


async def test_a_wrong_pin_is_a_wrong_try_and_begins_with_the_code_again() -> None:
    asked, caller = door(), keying("5550123", "246811#", "5550123", "246810")
    assert await admit_caller(caller, asked)
    assert caller.story[3:] == [Prompt.PIN, 1, Prompt.WRONG, Prompt.PASSCODE_AGAIN, Prompt.PIN, TWO_STEP]
    [attempt] = asked.guard.unstored
    assert (attempt.reason, str(attempt.passcode_id)) == (Refusal.WRONG_PIN, TWO_STEP.passcode_id)


async def test_wrong_pins_end_like_wrong_codes() -> None:
    caller = keying(*("5550123", "000000#") * 3)
    assert not await dial(caller)
    assert caller.story[-3:] == [3, Prompt.REFUSED, "refused"]


async def test_a_code_that_is_revoked_while_its_caller_keys_the_pin_is_wrong() -> None:
    found = directory_of()
    asked = door(found)

    class Slow(FakeCaller):
        async def say(self, *prompts: Prompt) -> None:
            await super().say(*prompts)
            if Prompt.PIN in prompts:
                found.codes.pop("5550123", None)

    caller = Slow(deque("5550123246810"))
    assert not await admit_caller(replace(caller, script=deque([*"5550123246810", *[SILENCE] * 2])), asked)
    assert reasons(asked) == [Refusal.WRONG]


# --- While slots to judge entries are short -------------------------------------------------------------------------
SHORT = BucketPolicy(burst=1e-3, per_s=1e-5, most=1e-3)
"""The bucket of an access number that holds less than one slot, and gets another every few seconds."""


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[AdmissionChecks, Clock]]:
    """Make checks whose access number has no slot left."""
    monkeypatch.setattr(admit_caller_module, "LOOK_S", 0.5)

    def make(found: FakeDirectory | None = None, **about: Any) -> tuple[AdmissionChecks, Clock]:
        clock = Clock()
        asked = door(found, clock=clock, access_number=SHORT, **about)
        key = BucketKey(BucketKind.ACCESS_NUMBER, NUMBER)
        judge = asked.guard.judge_passcode(asked.guard.source("+4930999999", "192.0.2.7", NUMBER), {3: 1})
        assert judge.may_look(3)
        judge.wrong(3)
        assert asked.guard.slots.left(key, clock.now) < 0.1
        return asked, clock

    return make


Short = Callable[..., tuple[AdmissionChecks, Clock]]


@pytest.mark.parametrize("guess", [*GUESSES, "right"])
async def test_every_entry_waits_alike_while_slots_are_short(guess: str, short: Short) -> None:
    asked, clock = short()
    began = clock.now
    caller = keying(*GUESSES.get(guess, ("7413827", "#")), on_wait=clock.pass_by)
    ended: list[float] = []

    def wait(seconds: float) -> None:
        clock.pass_by(seconds)
        if Prompt.WRONG in caller.story:
            raise CallerGone

    caller.on_wait = wait
    task = asyncio.create_task(admit_caller(caller, asked))
    async with asyncio.timeout(20):
        while Prompt.WRONG not in caller.story and not task.done():
            await asyncio.sleep(0)
        ended.append(clock.now)
    task.cancel()
    await asyncio.wait([task])
    before = [Prompt.GREETING, Prompt.PASSCODE, Prompt.WAIT]
    assert caller.story[:4] == ["answered", *before]
    # The slot is as dear as the worst entry would be: eight codes of seven digits.
    assert 0.5 <= ended[0] - began <= 1.0
    assert caller.story[4:6] == [HOST] if guess == "right" else [1, Prompt.WRONG]


async def test_who_hangs_up_before_the_entry_is_judged_has_learnt_and_paid_nothing(short: Short) -> None:
    for keys in ("7413827", "7413827#", "9999999#", "741#"):
        asked, _ = short()
        caller = keying(keys, GONE)
        with pytest.raises(CallerGone):
            await admit_caller(caller, asked)
        assert caller.story in (
            ["answered", Prompt.GREETING, Prompt.PASSCODE],
            ["answered", Prompt.GREETING, Prompt.PASSCODE, Prompt.WAIT],
        )
        assert left(asked, BucketKey(BucketKind.CALLER, caller.caller)) == 10
        if keys.endswith("#"):
            [attempt] = list(asked.guard.unstored)
            assert (attempt.reason, attempt.waited_for) == (Refusal.NOT_JUDGED, BucketKind.ACCESS_NUMBER)
            assert attempt.chance == 0
        assert asked.guard.slots.waiting == 0


async def test_star_clears_an_entry_that_nothing_was_looked_up_for(short: Short) -> None:
    asked, clock = short()
    caller = keying("9999999*7413827#", on_wait=clock.pass_by)
    assert await admit_caller(caller, asked)
    assert reasons(asked) == []


async def test_a_known_caller_gets_into_the_rooms_of_who_knows_it_at_once(short: Short) -> None:
    asked, clock = short(directory_of(known={"+4930123456": frozenset({SUB_ACCOUNT})}))
    caller = keying("7413827", on_wait=clock.pass_by)
    began = clock.now
    assert await admit_caller(caller, asked)
    assert (caller.story[3:], clock.now) == ([HOST], began)


async def test_a_known_caller_waits_like_any_other_for_the_rooms_of_strangers(short: Short) -> None:
    asked, clock = short(directory_of(known={"+4930123456": frozenset({ACCOUNT})}))
    caller = keying("7413827#", on_wait=clock.pass_by)
    began = clock.now
    assert await admit_caller(caller, asked)
    assert caller.story[3:] == [Prompt.WAIT, HOST]
    assert clock.now > began


async def test_a_number_that_was_let_in_on_three_days_is_known(short: Short) -> None:
    asked, clock = short()
    for _ in range(3):
        clock.pass_by(86_400)
        assert await admit_caller(keying("7413827"), asked)
    while asked.guard.judge_passcode(asked.guard.source("+4930999999", "t", NUMBER), {3: 1}).may_look(3):
        pass
    caller = keying("7413827")
    assert await admit_caller(caller, asked)
    assert caller.story[3:] == [HOST]


async def test_wrong_digits_that_were_wrong_today_are_wrong_at_once(short: Short) -> None:
    asked, clock = short()
    first = keying("9999999#", GONE, on_wait=clock.pass_by)
    asked.guard.note_wrong(asked.guard.source("", "t", NUMBER), "", "9999999", whole=True)
    with pytest.raises(CallerGone):
        await admit_caller(first, asked)
    assert first.story[3:] == [1, Prompt.WRONG, Prompt.PASSCODE_AGAIN]
    # Once there is such a code, it waits its turn like any other right one.
    asked.directory.codes["9999999"] = GUEST  # type: ignore[attr-defined]
    second = keying("9999999#", on_wait=clock.pass_by)
    assert await admit_caller(second, asked)
    assert second.story[3:] == [Prompt.WAIT, GUEST]


async def test_a_long_entry_that_was_judged_as_a_whole_excuses_none_that_is_looked_up_at_each_length(
    short: Short,
) -> None:
    asked, clock = short()
    long = "9" * 32
    guesser = keying(f"{long}#", on_wait=clock.pass_by)
    task = asyncio.create_task(admit_caller(guesser, asked))
    async with asyncio.timeout(20):
        while not asked.guard.unstored:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert asked.guard.unstored[-1].chance == 0
    clock.pass_by(86_000)
    with pytest.raises(CallerGone):
        await admit_caller(keying(f"{long}#", GONE), asked)
    assert asked.guard.unstored[-1].chance == pytest.approx(len(CODES) / 10**7)


async def test_an_entry_that_waits_for_too_long_is_told_and_not_judged(
    short: Short, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admit_caller_module, "WAIT_MOST_S", 0.05)
    asked, _ = short()
    caller = keying("7413827#", on_wait=lambda _: None)
    assert not await admit_caller(caller, asked)
    assert caller.story[3:] == [Prompt.WAIT, Prompt.NOT_READY, "refused"]
    assert reasons(asked) == [Refusal.NOT_JUDGED]


async def test_a_waiting_caller_is_told_again(short: Short, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admit_caller_module, "REMIND_S", 0.0)
    asked, clock = short()
    caller = keying("7413827#", on_wait=lambda seconds: clock.pass_by(seconds / 10))
    assert await admit_caller(caller, asked)
    assert caller.story.count(Prompt.WAIT) >= 2


async def test_many_calls_of_one_number_guess_no_more_than_its_bucket_holds() -> None:
    asked = door()
    callers = [keying(f"99999{number:02}#", GONE, id=f"c-{number}") for number in range(30)]
    await asyncio.gather(*(admit_caller(caller, asked) for caller in callers), return_exceptions=True)
    assert reasons(asked).count(Refusal.WRONG) == 10
    assert reasons(asked).count(Refusal.NOT_JUDGED) == 20
    assert {attempt.waited_for for attempt in asked.guard.unstored} == {None, BucketKind.CALLER}
    # Another number of the same company does not wait.
    assert await admit_caller(keying("7413827", caller="+4930999999"), asked)


async def test_those_who_withhold_their_number_share_the_bucket_of_their_trunk() -> None:
    asked = door()
    callers = [keying(f"99999{number:02}#", GONE, caller="") for number in range(40)]
    await asyncio.gather(*(admit_caller(caller, asked) for caller in callers), return_exceptions=True)
    assert reasons(asked).count(Refusal.WRONG) == 30
    assert {attempt.waited_for for attempt in asked.guard.unstored} == {None, BucketKind.TRUNK}
    assert await admit_caller(keying("7413827", caller="", trunk="192.0.2.8"), asked)


async def test_right_entries_cost_nothing_and_save_up_a_little_once_a_day_a_passcode() -> None:
    asked = door()
    for digits in ("7413827", "7413827", "8520741"):
        assert await admit_caller(keying(digits), asked)
    assert left(asked, BucketKey(BucketKind.CALLER, "+4930123456")) == 12
    assert asked.guard.slots.left(BucketKey(BucketKind.ACCESS_NUMBER, NUMBER), asked.guard.now) == 1.0


async def test_the_chance_of_each_wrong_entry_is_recorded() -> None:
    asked = door(directory_of({"7413827": HOST, "852074": GUEST}))
    assert not await admit_caller(keying("9999999#", "999999#", "741#"), asked)
    assert [attempt.chance for attempt in asked.guard.unstored] == pytest.approx([1e-7 + 1e-6, 1e-6, 0])


async def test_the_pin_of_a_passcode_may_be_wrong_twenty_times_a_day_and_its_owner_is_told() -> None:
    told: list[Grant] = []
    asked = door(on_guessed_pin=told.append)
    for number in range(20):
        caller = keying("5550123", f"9000{number:02}#", GONE, caller=f"+49309000{number:02}")
        with pytest.raises(CallerGone):
            await admit_caller(caller, asked)
        assert told == ([TWO_STEP] if number == 19 else [])
    late = keying("5550123", "246810#", GONE, caller="+4930800000")
    with pytest.raises(CallerGone):
        await admit_caller(late, asked)
    assert late.story[3:] == [Prompt.PIN, Prompt.WAIT]
    assert asked.guard.unstored[-1].waited_for is BucketKind.PASSCODE
    assert str(asked.guard.unstored[-1].passcode_id) == TWO_STEP.passcode_id
    # Other passcodes are not concerned.
    assert await admit_caller(keying("7413827", caller="+4930800000"), asked)


async def test_who_is_known_has_a_bucket_of_its_own_for_a_pin() -> None:
    asked = door(directory_of(known={"+4930800000": frozenset({SUB_ACCOUNT})}))
    for number in range(20):
        with pytest.raises(CallerGone):
            await admit_caller(keying("5550123", f"9000{number:02}#", GONE, caller=f"+49309000{number:02}"), asked)
    known = keying("5550123", "246810", caller="+4930800000")
    assert await admit_caller(known, asked)
    assert known.story[3:] == [Prompt.PIN, TWO_STEP]


async def test_an_owner_is_told_of_guesses_by_hang_ups_and_by_known_numbers_too() -> None:
    for known in (False, True):
        told: list[Grant] = []
        numbers = [f"+49309000{number:02}" for number in range(20)]
        by = dict.fromkeys(numbers, frozenset({SUB_ACCOUNT})) if known else {}
        asked = door(directory_of(known=by), on_guessed_pin=told.append)
        for place, number in enumerate(numbers):
            with pytest.raises(CallerGone):
                await admit_caller(keying("5550123", f"9000{place:02}", GONE, caller=number), asked)
        assert told == [TWO_STEP]


async def test_a_dialogue_that_is_cancelled_leaves_no_entry_in_the_queue(short: Short) -> None:
    asked, _ = short()
    task = asyncio.create_task(admit_caller(keying("7413827#", on_wait=lambda _: None), asked))
    async with asyncio.timeout(20):
        while not asked.guard.slots.waiting:
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert asked.guard.slots.waiting == 0


async def test_right_pins_allow_for_one_more_wrong_one_in_four() -> None:
    asked = door()
    for _ in range(8):
        assert await admit_caller(keying("5550123", "246810"), asked)
    assert left(asked, BucketKey(BucketKind.PASSCODE, TWO_STEP.passcode_id)) == 22


async def test_who_hangs_up_while_keying_a_pin_is_recorded_with_the_passcode() -> None:
    asked = door()
    with pytest.raises(CallerGone):
        await admit_caller(keying("5550123", "999999", GONE), asked)
    [attempt] = asked.guard.unstored
    assert (attempt.reason, str(attempt.passcode_id)) == (Refusal.ABANDONED, TWO_STEP.passcode_id)


async def test_an_entry_that_can_open_nothing_costs_nothing() -> None:
    asked = door()
    assert not await admit_caller(keying("1#", "22#", "333#"), asked)
    assert left(asked, BucketKey(BucketKind.CALLER, "+4930123456")) == 10
    assert asked.guard.slots.left(INSTALLATION, asked.guard.now) == pytest.approx(0.3)


# --- Limits -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("limits", "prompt", "reason"),
    [
        (ParticipantLimits(room=2), Prompt.ROOM_FULL, Refusal.ROOM_FULL),
        (ParticipantLimits(sub_account=2), Prompt.LINES_FULL, Refusal.SUB_ACCOUNT_FULL),
        (ParticipantLimits(account=2), Prompt.LINES_FULL, Refusal.ACCOUNT_FULL),
    ],
    ids=["room", "sub-account", "account"],
)
async def test_a_full_room_is_told_hosts_too(limits: ParticipantLimits, prompt: Prompt, reason: Refusal) -> None:
    asked = door(directory_of({"7413827": replace(HOST, limits=limits)}))
    callers = [keying("7413827", id=f"c-{number}") for number in range(3)]
    assert [await admit_caller(caller, asked) for caller in callers] == [True, True, False]
    assert callers[-1].story[-2:] == [prompt, "refused"]
    assert callers[-1].cause == 17
    [attempt] = asked.guard.unstored
    assert (attempt.reason, str(attempt.account_id)) == (reason, ACCOUNT)
    # It was no guess.
    assert left(asked, BucketKey(BucketKind.CALLER, callers[-1].caller)) >= 10


async def test_exactly_as_many_as_a_limit_allows_get_in_at_the_same_instant() -> None:
    asked = door(directory_of({"7413827": replace(HOST, limits=ParticipantLimits(room=5))}))
    callers = [keying("7413827", id=f"c-{number}") for number in range(20)]
    assert sum(await asyncio.gather(*(admit_caller(caller, asked) for caller in callers))) == 5


async def test_the_last_use_is_one_callers_and_to_others_the_code_is_wrong() -> None:
    asked = door()
    callers = [keying("3692580", GONE, id=f"c-{number}") for number in range(2)]
    assert await admit_caller(callers[0], asked)
    with pytest.raises(CallerGone):
        await admit_caller(callers[1], asked)
    assert callers[1].story[3:] == [1, Prompt.WRONG, Prompt.PASSCODE_AGAIN]
    assert reasons(asked) == [Refusal.USED_UP]
    assert len(asked.seats) == 1


async def test_a_caller_who_hangs_up_at_the_door_leaves_no_seat() -> None:
    @dataclass
    class Hasty(FakeCaller):
        async def join(self, entry: Grant) -> None:
            raise CallerGone

    asked, caller = door(), Hasty(deque("7413827"))
    with pytest.raises(CallerGone):
        await admit_caller(caller, asked)
    assert len(asked.seats) == 0


# --- Recognised callers, languages --------------------------------------------------------------------------------
async def test_a_trusted_caller_hears_the_greeting_and_is_the_host() -> None:
    caller = keying(SILENCE)
    assert await dial(caller, directory_of(trusting={"+4930123456": HOST}))
    assert caller.story == ["answered", Prompt.GREETING, HOST]
    assert caller.silences == [0.0]


async def test_a_trusted_caller_may_key_another_code() -> None:
    caller = keying("8520741")
    assert await dial(caller, directory_of(trusting={"+4930123456": HOST}))
    assert caller.story == ["answered", Prompt.GREETING, GUEST]


async def test_limits_hold_for_trusted_callers() -> None:
    directory = directory_of(trusting={"+4930123456": replace(HOST, limits=ParticipantLimits(room=1))})
    asked = door(directory)
    assert await admit_caller(keying(SILENCE), asked)
    late = keying(SILENCE, id="c-2")
    assert not await admit_caller(late, asked)
    assert late.story == ["answered", Prompt.GREETING, Prompt.ROOM_FULL, "refused"]


async def test_nobody_is_trusted_for_withholding_a_number() -> None:
    caller = keying("8520741", caller="")
    assert await dial(caller, directory_of(trusting={"": HOST}))
    assert caller.story[-1] == GUEST


async def test_an_access_number_has_its_language_and_its_greeting() -> None:
    directory = directory_of(numbers={NUMBER: DialledNumber(NUMBER, language="fr", greeting="bienvenue")})
    caller = keying("8520741")
    assert await dial(caller, directory)
    assert caller.story[1] == ("fr", "bienvenue")
