"""The phone dialogue, with a caller of flesh and script: no Asterisk, no clock but asyncio's own."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import pytest

from bridge.domain.admission.grant import Bar, Barred, DialledNumber, Grant, ParticipantLimits
from bridge.domain.admission.keypad import EntryTimeouts
from bridge.domain.admission.numbering import IncomingTrunk, Numbering
from bridge.domain.admission.prompt import Prompt
from bridge.domain.admission.refusal import Refusal
from bridge.domain.admission.seats import Seats
from bridge.domain.admission.throttle import ThrottleKind, ThrottlePolicy
from bridge.domain.admission.throttles import Throttles
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.trunk import NumberForm
from bridge.usecases.admission.admit_caller import AdmissionChecks, Barrier, admit_caller
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


def policies(delay_s: float = 0.0, block_at: float | None = 9.5) -> dict[ThrottleKind, ThrottlePolicy]:
    own = ThrottlePolicy(1800, 3, 1, delay_s, 16 * delay_s, block_at, 300)
    shared = ThrottlePolicy(120, 1000, 500, delay_s, delay_s)
    return {
        ThrottleKind.CALLER: own,
        **dict.fromkeys((ThrottleKind.TRUNK, ThrottleKind.ACCESS_NUMBER, ThrottleKind.INSTALLATION), shared),
    }


def door(
    found: FakeDirectory | None = None,
    patience: EntryTimeouts = PATIENCE,
    asking: Barrier | None = None,
    throttles: Throttles | None = None,
    dialogues: int = 1,
) -> AdmissionChecks:
    directory = found or directory_of()
    guard = Guard("node1", Throttles(policies()) if throttles is None else throttles, directory.knows)
    return AdmissionChecks(directory, guard, Seats(directory.owner), patience, asking or barrier(), lambda _: dialogues)


async def dial(caller: FakeCaller, found: FakeDirectory | None = None, patience: EntryTimeouts = PATIENCE) -> bool:
    return await admit_caller(caller, door(found, patience))


def barrier(*answers: str | None) -> Barrier:
    """A barrier that answers so, one time after the other, and then that all is well."""
    left = deque(answers)

    async def ask() -> str | None:
        return left.popleft() if left else None

    return ask


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
        {"dialogues": 3},
        Refusal.TOO_MANY_DIALOGUES,
        34,
    ),
}


@pytest.mark.parametrize("case", TURNED_AWAY)
async def test_what_can_be_refused_without_speaking_is_refused_unanswered(case: str) -> None:
    known, call, asking, reason, cause = TURNED_AWAY[case]
    checks = dict(asking)
    if "asking" in checks:
        checks["asking"] = barrier(checks["asking"])
    asked, caller = door(directory_of(**known), **checks), keying("7413827", **call)
    assert not await admit_caller(caller, asked)
    assert (caller.story, caller.cause) == (["refused"], cause)
    [refused] = asked.guard.unstored
    assert refused.reason is reason
    # It is no guess: nobody is delayed by it.
    assert not asked.guard.active()


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
    assert await admit_caller(caller, door(known, dialogues=3))


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
    assert asked.guard.throttles.level(asked.guard.source(caller.caller, caller.trunk, NUMBER).own, time.time()) > 2.9


@pytest.mark.parametrize("guess", [*GUESSES, "right"])
async def test_every_entry_waits_alike_while_guesses_slow_it_down(guess: str) -> None:
    throttles = Throttles(policies(delay_s=0.2))
    asked = door(throttles=throttles)
    source = asked.guard.source("+4930123456", "192.0.2.7", NUMBER)
    for _ in range(5):
        throttles.fail(source, time.time())
    caller = keying(*GUESSES.get(guess, ("7413827",)), GONE)
    began = time.monotonic()
    if guess == "right":
        assert await admit_caller(caller, asked)
    else:
        with pytest.raises(CallerGone):
            await admit_caller(caller, asked)
    # Two above those that are free: twice the first delay.
    assert time.monotonic() - began >= 0.35


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


# --- Throttles ----------------------------------------------------------------------------------------------------
async def test_a_blocked_caller_is_told_what_three_wrong_tries_end_with() -> None:
    asked = door(throttles=Throttles(policies(block_at=5.5)))
    assert not await admit_caller(keying(*["9999999#"] * 3), asked)
    halfway = keying(*["9999999#"] * 3)
    assert not await admit_caller(halfway, asked)
    assert halfway.story[-3:] == [3, Prompt.REFUSED, "refused"]
    blocked = keying("7413827")
    assert not await admit_caller(blocked, asked)
    assert blocked.story == ["answered", Prompt.REFUSED, "refused"]
    assert reasons(asked)[-1] is Refusal.BLOCKED
    assert await admit_caller(keying("7413827", caller="+4930999999"), asked)


async def test_a_block_that_comes_in_mid_call_ends_the_tries() -> None:
    asked = door(throttles=Throttles(policies(block_at=1.5)))
    caller = keying("9999999#", "9999999#", "7413827")
    assert not await admit_caller(caller, asked)
    assert caller.story[-3:] == [2, Prompt.REFUSED, "refused"]


async def test_many_calls_at_once_guess_no_more_than_one() -> None:
    asked = door(throttles=Throttles(policies(delay_s=0.02)))
    callers = [keying(*["9999999#"] * 3, id=f"c-{number}") for number in range(30)]
    assert not any(await asyncio.gather(*(admit_caller(caller, asked) for caller in callers)))
    # The tenth wrong entry of a number blocks it: nothing that comes after it is looked at.
    assert reasons(asked).count(Refusal.WRONG) == 10


@pytest.mark.parametrize("known", ["by a sub-account", "as a regular"])
async def test_a_known_caller_is_never_blocked_by_guesses_under_his_number(known: str) -> None:
    directory = directory_of(known={"+4930123456"} if known == "by a sub-account" else set())
    asked = door(directory, throttles=Throttles(policies(block_at=5.5)))
    if known == "as a regular":
        assert await admit_caller(keying("7413827"), asked)
    for _ in range(4):
        assert not await admit_caller(keying(*["9999999#"] * 3), asked)
    assert await admit_caller(keying("7413827"), asked)


async def test_those_who_withhold_their_number_are_never_blocked() -> None:
    asked = door(throttles=Throttles(policies(block_at=2.5)))
    for caller in ("", "000"):
        assert not await admit_caller(keying(*["9999999#"] * 3, caller=caller), asked)
    assert await admit_caller(keying("7413827", caller=""), asked)


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
    assert len(asked.guard.throttles) == 0


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
