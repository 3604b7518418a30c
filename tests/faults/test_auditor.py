"""The auditor itself: it finds each broken promise, and nothing where all were kept."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.faults import auditor
from tests.faults.auditor import SECOND, Bill, Evidence, Join, Record
from tests.faults.crowd import CallerReport
from tests.faults.nemesis import Trouble
from tests.faults.plan import Kind, Lane

T = 1_800_000_000 * SECOND
CODE_KEYED, JOINED, BYE = T + 3 * SECOND, T + 3 * SECOND + 4_000, T + 13 * SECOND
SUM = Decimal("1.5")


def trouble(kind: Kind, lane: Lane, begin: int, end: int | None = None) -> Trouble:
    return Trouble(kind, lane, begin, begin, begin if end is None else end)


def seen() -> Evidence:
    """One caller, ten seconds in a room, and a bill that adds up."""
    return Evidence(
        told=[CallerReport("1-7@host", True, T, T + SECOND, CODE_KEYED, BYE, "caller")],
        called={"node-1.1": "1-7@host"},
        joins=[Join("node-1.1", "b", JOINED)],
        records=[record()],
        calls=["node-1.1"],
        unread_calls=frozenset(),
        left_open=0,
        bill=Bill(SUM, SUM, SUM, Decimal(0), SUM, 0, 0),
        troubles=[],
    )


def record(left: int = BYE + 2_000, joined: int = JOINED, reason: str = "hung_up") -> Record:
    return Record("node-1.1", "b", joined, left, left - joined, reason, "measured")


def broken(found: Evidence) -> set[str]:
    return {violation.promise for violation in auditor.audit(found).violations}


def test_a_run_in_which_all_is_well_has_no_violation() -> None:
    verdict = auditor.audit(seen())
    assert verdict.violations == []
    assert verdict.figures["error_ms_max"] == 2.0
    assert verdict.figures["admission_ms_p50"] == 4.0


@pytest.mark.parametrize(
    ("changes", "promise"),
    [
        ({"records": []}, "no stay is lost"),
        ({"records": [record(), record()]}, "no stay is billed twice"),
        ({"records": [record(), record(joined=JOINED + SECOND)]}, "no stay is billed twice"),
        ({"records": [record(), record(joined=BYE + SECOND, left=BYE + 2 * SECOND)]}, "no stay is invented"),
        ({"records": [record(BYE + 300_000)]}, "no stay is overcharged"),
        ({"records": [record(BYE - 2 * SECOND)]}, "durations are right to a second"),
        ({"calls": []}, "no call is lost"),
        ({"calls": ["node-1.1", "node-1.1"]}, "no call is there twice"),
        ({"left_open": 1}, "nothing is left open"),
        ({"joins": [], "records": []}, "callers get in"),
        ({"bill": Bill(SUM, SUM + 1, SUM, Decimal(0), SUM, 0, 0)}, "charges = lines = total"),
        ({"bill": Bill(SUM, SUM, SUM, Decimal("0.01"), SUM, 0, 0)}, "charges = lines = total"),
        ({"bill": Bill(SUM, SUM, SUM, Decimal(0), SUM, 1, 0)}, "charges = lines = total"),
        ({"crashes": {"daemon": 1}}, "no part dies by itself"),
    ],
)
def test_each_broken_promise_is_found(changes: dict[str, object], promise: str) -> None:
    assert promise in broken(replace(seen(), **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(("count", "promises"), [(3, set()), (10, {"99 of 100 durations are right to 50 ms"})])
def test_of_many_durations_99_in_100_are_right_to_50_ms(count: int, promises: set[str]) -> None:
    one = seen()
    names = [f"node-1.{number}" for number in range(600)]
    lefts = [BYE - (60_000 if number < count else 0) for number in range(600)]
    many = replace(
        one,
        told=[replace(one.told[0], call_id=name) for name in names],
        called={name: name for name in names},
        joins=[replace(one.joins[0], uniqueid=name) for name in names],
        records=[replace(record(left), uniqueid=name) for name, left in zip(names, lefts, strict=True)],
        calls=names,
    )
    assert broken(many) == promises


def test_a_caller_whom_the_switch_hung_up_was_dropped_unless_the_switch_itself_was_struck() -> None:
    dropped = replace(seen(), told=[replace(seen().told[0], ended_by="far end")])
    daemon = replace(dropped, troubles=[trouble(Kind.DAEMON_KILL, "daemon", BYE - SECOND, BYE)])
    asterisk = replace(dropped, troubles=[trouble(Kind.ASTERISK_RESTART, "asterisk", BYE - SECOND, BYE + SECOND)])
    assert "no talking caller is dropped" in broken(dropped)
    assert "no talking caller is dropped" in broken(daemon)
    assert broken(asterisk) == set()


def test_a_stay_that_a_kill_ended_is_billed_to_within_a_second_and_never_beyond() -> None:
    death = trouble(Kind.ASTERISK_KILL, "asterisk", T + 8 * SECOND, T + 10 * SECOND)

    def killed(left: int) -> set[str]:
        return broken(replace(seen(), troubles=[death], records=[record(left, reason="switch_lost")]))

    assert killed(T + 8 * SECOND - SECOND // 2) == set()
    assert killed(T + 8 * SECOND + SECOND) == {"no stay is overcharged"}
    assert killed(T + 6 * SECOND) == {"a kill costs at most a second"}


def test_a_kill_before_anybody_could_look_after_a_full_disk_costs_more() -> None:
    def killed(death: int, *others: Trouble) -> set[str]:
        troubles = [trouble(Kind.DISK_FULL, "journal", T + 4 * SECOND, T + 5 * SECOND), *others]
        troubles.append(trouble(Kind.ASTERISK_KILL, "asterisk", death, death + SECOND))
        return broken(replace(seen(), troubles=troubles, records=[record(T + 4 * SECOND, reason="switch_lost")]))

    assert killed(T + 7 * SECOND) == set()
    assert killed(T + 10 * SECOND) == {"a kill costs at most a second"}
    assert killed(T + 10 * SECOND, trouble(Kind.AMI_SILENCE, "daemon", T + 6 * SECOND, T + 9 * SECOND)) == {
        "a kill costs at most a second"
    }
    assert killed(T + 10 * SECOND, trouble(Kind.ARI_SILENCE, "daemon", T + 6 * SECOND, T + 9 * SECOND)) == set()
    later = trouble(Kind.ARI_SILENCE, "daemon", T + 9 * SECOND + 1, T + 20 * SECOND)
    assert killed(T + 10 * SECOND, later) == {"a kill costs at most a second"}


def test_a_silent_link_keeps_callers_out_for_a_while_after_it_is_mended() -> None:
    kept_out = replace(seen(), joins=[], records=[])
    for ago, at_fault in ((7, True), (9, False)):
        silence = trouble(Kind.ARI_SILENCE, "daemon", T - 30 * SECOND, T - ago * SECOND)
        assert ("callers get in" in broken(replace(kept_out, troubles=[silence]))) is not at_fault


def test_a_join_that_a_kill_caught_at_once_may_be_lost() -> None:
    at_once = trouble(Kind.ASTERISK_KILL, "asterisk", JOINED + 50_000, JOINED + SECOND)
    later = trouble(Kind.ASTERISK_KILL, "asterisk", JOINED + 150_000, JOINED + SECOND)
    assert broken(replace(seen(), troubles=[at_once], records=[])) == set()
    assert broken(replace(seen(), troubles=[later], records=[])) == {"no stay is lost"}


def test_who_hung_up_while_asterisk_was_frozen_is_not_billed_beyond_the_bye() -> None:
    freeze = trouble(Kind.ASTERISK_FREEZE, "asterisk", BYE - 3 * SECOND, BYE + 5 * SECOND)
    frozen = replace(seen(), troubles=[freeze])
    assert broken(replace(frozen, records=[record(BYE + 5 * SECOND)])) == {"no stay is overcharged"}
    assert broken(replace(frozen, records=[record(BYE - 3 * SECOND)])) == set()


def test_who_hung_up_right_after_a_freeze_may_be_billed_to_its_beginning_and_never_beyond_the_bye() -> None:
    freeze = trouble(Kind.ASTERISK_FREEZE, "asterisk", BYE - 8 * SECOND, BYE - 3_900_000)
    thawed = replace(seen(), troubles=[freeze])
    assert not broken(replace(thawed, records=[record(BYE - 8 * SECOND)]))
    assert broken(replace(thawed, records=[record(BYE + SECOND)])) == {"no stay is overcharged"}


def test_a_join_whose_line_was_torn_has_a_record_and_is_never_overcharged() -> None:
    torn = replace(seen(), joins=[Join("node-1.1", "b", JOINED, enter_whole=False)])
    guessed = record(BYE, joined=JOINED + SECOND // 2)
    assert broken(replace(torn, records=[guessed])) == set()
    assert broken(replace(torn, records=[replace(guessed, duration_us=11 * SECOND)])) == {"no stay is overcharged"}
    assert broken(replace(torn, records=[])) == {"no torn line makes a stay free"}


def test_a_join_that_found_no_room_on_the_disk_may_be_without_a_record() -> None:
    full = trouble(Kind.DISK_FULL, "journal", JOINED - SECOND, JOINED + SECOND)
    unwritten = replace(seen(), joins=[Join("node-1.1", "b", JOINED, enter_whole=False)], troubles=[full], records=[])
    assert broken(unwritten) == set()
    assert auditor.audit(unwritten).figures["joins_on_a_full_disk"] == 1


def test_a_ghost_ends_at_its_last_audio() -> None:
    told = [replace(seen().told[0], ended_us=None, ended_by=None, vanished_us=BYE)]
    haunted = replace(seen(), told=told, records=[record(BYE - SECOND // 2, reason="media_lost")])
    assert auditor.audit(haunted).figures["ghosts"] == 1
    assert broken(haunted) == set()
    assert "a ghost is billed to its last audio" in broken(replace(haunted, records=[record(BYE - SECOND // 2)]))
    late = replace(haunted, records=[record(BYE + 60 * SECOND, reason="media_lost")])
    assert broken(late) == {"a ghost is billed to its last audio", "no stay is overcharged"}


def test_a_fault_in_the_dialogue_excuses_who_did_not_get_in_and_one_of_postgres_does_not() -> None:
    outside = replace(seen(), joins=[], records=[])
    daemon = trouble(Kind.DAEMON_KILL, "daemon", T + 2 * SECOND, T + 3 * SECOND)
    postgres = trouble(Kind.POSTGRES_KILL, "postgres", T + 2 * SECOND, T + 3 * SECOND)
    assert broken(replace(outside, troubles=[daemon])) == set()
    assert auditor.audit(replace(outside, troubles=[daemon])).figures["kept_out_by_faults"] == 1
    assert broken(replace(outside, troubles=[postgres])) == {"callers get in"}
