"""The simulation itself, and what a guesser learns while slots are short. Counts and sounds alone: no time is asserted
but virtual time."""

import asyncio
import json
import random
from collections import deque
from dataclasses import replace

import pytest

from bridge.domain.admission.bucket import BucketKey, BucketKind
from bridge.domain.admission.guessing import Allowance
from bridge.domain.admission.prompt import Prompt
from tests.attack import mornings, report, virtual_time
from tests.attack.codes import CODES_OF_BEFORE, NUMBER, SIZES, Codes, lengths_by_odds, uuid
from tests.attack.installation import Installation, clock
from tests.attack.lines import Entry, Line
from tests.attack.openings import Openings, attacking
from tests.attack.report import Findings
from tests.attack.simulation import simulate
from tests.attack.strategies import STRATEGIES, Attacker, parallel

THOUSAND = lengths_by_odds(1_000)
BY_NAME = {each.name: each for each in STRATEGIES}


async def short_of_slots() -> Installation:
    """An installation on whose access number nothing is left of what wrong entries may use."""
    installation = Installation(THOUSAND, seed=1)
    installation.daemons = [asyncio.create_task(each) for each in installation.keep()]
    attacker = Attacker(installation, lines=100)
    attacking.set(True)
    await attacker.on_all_lines(lambda _: attacker.call(attacker.forged(), Entry(f"{attacker.guess()}#")), for_s=30)
    assert installation.openings.waited
    return installation


async def dial(installation: Installation, caller: str, *entries: Entry) -> Line:
    line = Line(deque(entries), caller)
    await line.call(installation.nodes[0])
    return line


def test_virtual_time_jumps_over_pauses() -> None:
    async def pause() -> float:
        began = clock()
        await asyncio.gather(asyncio.sleep(86_400), asyncio.sleep(3_600))
        return clock() - began

    assert virtual_time.run(pause()) == pytest.approx(86_400)


def test_nothing_waits_for_ever_in_virtual_time() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing will ever wake"):
        virtual_time.run(forever())


@pytest.mark.parametrize("size", SIZES)
def test_the_odds_of_an_entry_stay_within_what_was_asked_for(size: int) -> None:
    lengths = lengths_by_odds(size)
    assert sum(lengths.values()) == size
    assert sum(codes / 10**length for length, codes in lengths.items()) <= 1e-7


def test_a_look_up_counts_if_a_right_code_would_have_let_its_caller_in() -> None:
    openings = Openings()
    codes = Codes(THOUSAND, openings, random.Random(1))
    number = codes.number(NUMBER)
    assert number is not None
    codes.find("123456789", number)
    assert openings.expected == 0
    for _ in range(2):
        openings.armed = True
        codes.find("123456789", number)
    assert openings.expected == pytest.approx(16e-9)
    own = codes.make(uuid(1))
    openings.armed = True
    assert codes.find(own, number)
    assert openings.expected == pytest.approx(16e-9)


def test_right_and_wrong_entries_sound_alike_until_they_are_judged() -> None:
    async def both() -> tuple[Line, Line]:
        installation = await short_of_slots()
        right = installation.codes.make(uuid(5))
        wrong = installation.codes.digits(len(right))
        attacker = Attacker(installation)
        crowd = asyncio.create_task(parallel(attacker))
        await asyncio.sleep(5)
        lines = [asyncio.create_task(dial(installation, f"+4930{each}", Entry(each))) for each in (right, wrong)]
        heard = await asyncio.gather(*lines)
        crowd.cancel()
        return heard[0], heard[1]

    right, wrong = virtual_time.run(both())
    assert right.joined_at is not None
    assert wrong.joined_at is None
    # Both were keyed at one instant, were asked to wait at one instant, and until then nothing else was to be heard.
    assert right.keyed_at == wrong.keyed_at
    asked = [(each, prompt) for each, prompt in right.heard if prompt is Prompt.WAIT]
    assert asked
    assert right.heard == wrong.heard[: len(right.heard)]
    assert right.joined_at > asked[-1][0] > right.keyed_at


def test_who_hangs_up_in_the_queue_has_learnt_nothing_and_paid_nothing() -> None:
    async def hang_up() -> tuple[list[str], list[float]]:
        installation = await short_of_slots()
        attacker, [guard] = Attacker(installation), installation.guards
        # While it guesses on, all others stand in the queue.
        crowd = asyncio.create_task(parallel(attacker))
        await asyncio.sleep(5)
        looked_up, left = [], []
        for hang_up_s in (0.25, 6.0):
            guess, caller = attacker.guess(), attacker.forged()
            await attacker.call(caller, Entry(guess, hang_up_s=hang_up_s))
            looked_up += [guess] if installation.openings.has_seen(guess) else []
            left.append(guard.slots.left(BucketKey(BucketKind.CALLER, caller), clock()))
        crowd.cancel()
        return looked_up, left

    assert virtual_time.run(hang_up()) == ([], [1.0, 1.0])


@pytest.mark.parametrize(
    "name", ["parallel forged numbers", "early hang-up", "* after each guess", "digits by INFO", "withheld number"]
)
def test_guesses_cost_what_they_are_worth(name: str) -> None:
    outcome = simulate(replace(BY_NAME[name], measured_s=90.0), THOUSAND)
    number = Allowance().policies()[BucketKind.ACCESS_NUMBER]
    assert 0 < outcome.measured.expected <= number.burst + 90 * number.per_s
    assert outcome.alarm_s is not None


def test_twenty_pins_are_judged_and_the_owner_is_told() -> None:
    outcome = simulate(replace(BY_NAME["PIN of one passcode"], measured_s=60.0, honest=False), THOUSAND)
    assert outcome.measured.judged == 20
    assert outcome.measured.expected == pytest.approx(20e-6, rel=0.01)
    assert outcome.told_s is not None


@pytest.mark.parametrize("known", [True, False])
def test_at_nine_o_clock_everybody_gets_in_and_nobody_is_asked_to_wait(known: bool) -> None:
    morning = mornings.nine_o_clock(lengths_by_odds(1_000_000), known, callers=60)
    assert (len(morning.waits.seconds), morning.waits.kept_out, morning.asked_to_wait) == (60, 0, 0)


def test_a_misprinted_code_costs_one_slot() -> None:
    morning = mornings.misprint(THOUSAND, known=False, callers=12)
    assert (morning.entries.judged, morning.entries.from_memory) == (1, 11)
    assert (morning.waits.kept_out, morning.asked_to_wait) == (0, 0)


def test_the_report_ends_in_flat_json_with_the_worst_of_each_size() -> None:
    strategy = replace(BY_NAME["parallel forged numbers"], measured_s=60.0)
    outcome = simulate(strategy, THOUSAND)
    better, worse = replace(outcome, rooms_month=0.05), replace(outcome, rooms_month=0.5, alarm_s=None)
    findings = Findings({1_000: [better], 100_000: [better, worse]}, {})
    figures = json.loads(json.dumps(report.figures(findings), allow_nan=False))
    assert all(isinstance(each, int | float | str) for each in figures.values())
    assert figures["rooms_month_100000"] == 0.5
    assert figures["rooms_month_1000"] == 0.05
    assert figures["without_alarm"] == 1
    text = report.table(findings)
    assert "Not reached: 100,000 codes, parallel forged numbers: 0.500 rooms a month." in text
    assert "1,000 codes, parallel forged numbers: 0" not in text


def test_codes_of_before_open_too_often() -> None:
    assert sum(codes / 10**length for length, codes in CODES_OF_BEFORE.items()) == pytest.approx(2.8e-6)
