"""`bridge reconcile`: a carrier's file against the ledger, as from a shell."""

import csv
import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.domain.metering.records import Call, Evidence, OpenCall, Outcome, instant, microseconds
from bridge.domain.metering.switch_timeline import SwitchState
from bridge.storage.metering.commit import PostgresLedger
from bridge.storage.postgres.database import Database
from bridge.usecases.metering.ports import Position
from tests.commands.conftest import Outcome as Ended
from tests.commands.conftest import Shell

NOON = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)
SECOND = 1_000_000


def call(
    number: int, later: timedelta, caller: str, seconds: float, began: datetime = NOON, rings_us: int = SECOND // 10
) -> Call:
    started_us = microseconds(began + later)
    came = OpenCall(
        node="node1",
        boot="node1-0.0",
        uniqueid=f"node1-1.{number}",
        channel="PJSIP/t",
        caller=caller,
        access_number="18005550100",
        sip_call_id=f"{number}@pbx",
        started_us=started_us,
        answered_us=started_us + rings_us,
        outcome=Outcome.JOINED,
    )
    ended_us = started_us + rings_us + int(seconds * SECOND)
    return Call(call=came, ended_us=ended_us, cause=16, evidence=Evidence.MEASURED)


CALLS = [
    call(1, timedelta(minutes=0), "+4930123456", 60),
    call(2, timedelta(minutes=5), "+4989765432", 600),
    call(3, timedelta(minutes=9), "12125550101", 30.5),
    call(4, timedelta(minutes=20), "", 45),
]


@pytest.fixture
async def called(bridge: Shell, database: Database) -> list[Call]:
    """Four calls, one that was never answered, and one that goes on."""
    missed = call(5, timedelta(minutes=21), "4940333", 1)
    missed = replace(missed, call=replace(missed.call, answered_us=None, outcome=Outcome.UNSERVED))
    going = call(6, timedelta(minutes=22), "4940444", 1).call
    ledger = PostgresLedger(database)
    await ledger.commit("node1", None, Position("f", 1), SwitchState("node1-0.0"), [*CALLS, missed, going])
    return CALLS


def written(path: Path, *, off: int = 0, leave_out: int = -1, more: str = "") -> Path:
    """The carrier's file of CALLS, in whole seconds; call `off` is 12 s longer, call `leave_out` missing."""
    lines = ["A Number;B Number;Answer Time;Duration;Call-ID"]
    for number, one in enumerate(CALLS, start=1):
        assert one.call.answered_us is not None
        seconds = (one.ended_us - one.call.answered_us) // SECOND + 12 * (number == off)
        at = f"{instant(one.call.answered_us):%Y-%m-%d %H:%M:%S}"
        if number != leave_out:
            lines.append(f"{one.call.caller.replace('+', '00')};18005550100;{at};{seconds};{one.call.sip_call_id}")
    path.write_text("\n".join(lines) + "\n" + more)
    return path


def last(outcome: Ended) -> str:
    return outcome.said.splitlines()[-1]


async def test_all_agrees(bridge: Shell, called: list[Call], tmp_path: Path) -> None:
    said = await bridge("reconcile", str(written(tmp_path / "cdr.csv")))
    assert said.splitlines()[-1] == "4 agree, 0 differ, 0 only with the carrier, 0 only with us"
    assert "carrier          4 calls       0:12:15.000000" in said
    assert "ours             4 calls       0:12:15.500000" in said
    assert "from 2026-11-20 12:00:00 up to 2026-11-20 12:20:00 (UTC)" in said
    assert "clock is 0.350 s behind ours (median)" in said


async def test_differences_are_told_and_give_status_1(bridge: Shell, called: list[Call], tmp_path: Path) -> None:
    strange = "0044207946;18005550100;2026-11-20 12:10:00;7;\nTotal;;;739;\n"
    file = written(tmp_path / "cdr.csv", off=2, leave_out=3, more=strange)
    outcome = await bridge.run("reconcile", str(file))
    assert (outcome.status, outcome.complained) == (1, "")
    rows = [line.split() for line in outcome.said.split("\n\n")[0].splitlines()]
    assert rows[1][:2] == ["differs", "3"]
    assert rows[1][-3:] == ["duration", "+12.000", "s"]
    assert rows[2][:4] == ["only", "carrier", "5", "2026-11-20"]
    assert rows[3][:2] == ["only", "ours"]
    assert rows[4][:2] == ["unreadable", "6"]
    expected = "2 agree, 1 differ, 1 only with the carrier, 1 only with us, 1 of the file's lines not readable"
    assert last(outcome) == expected
    assert (await bridge.run("reconcile", str(file), "--tolerance", "12s")).said.endswith(
        "3 agree, 0 differ, 1 only with the carrier, 1 only with us, 1 of the file's lines not readable\n"
    )


async def test_a_bad_line_alone_is_no_agreement(bridge: Shell, called: list[Call], tmp_path: Path) -> None:
    outcome = await bridge.run("reconcile", str(written(tmp_path / "cdr.csv", more="Total;;;;\n")))
    assert (outcome.status, "4 agree" in last(outcome)) == (1, True)


async def test_as_json_and_csv(bridge: Shell, called: list[Call], tmp_path: Path) -> None:
    file = written(tmp_path / "cdr.csv", off=2, leave_out=3, more="=1+1;;;;\n")
    out = tmp_path / "out.csv"
    outcome = await bridge.run("reconcile", str(file), "--json", "--csv", str(out))
    told = json.loads(outcome.said)
    assert (outcome.status, told["matched"], told["duration_difference_us"]) == (1, 3, 12 * SECOND)
    [one] = told["differing"]
    assert (one["fields"], one["carrier"]["line"], one["ours"]["uniqueid"]) == (["duration"], 3, "node1-1.2")
    assert one["ours"]["answered_at"] == "2026-11-20T12:05:00.350000Z"
    assert [call["uniqueid"] for call in told["only_ours"]] == ["node1-1.3"]
    assert (told["only_carrier"], told["unreadable"][0]["line"]) == ([], 5)
    assert told["carrier"] == {"calls": 3, "duration_us": 717 * SECOND}
    with out.open(newline="") as rows:
        verdicts = [(row["verdict"], row["line"]) for row in csv.DictReader(rows)]
    assert verdicts == [("differs", "3"), ("only ours", ""), ("unreadable", "5")]


async def test_the_period_and_what_is_left_out(bridge: Shell, called: list[Call], tmp_path: Path) -> None:
    file = str(written(tmp_path / "cdr.csv"))
    outcome = await bridge.run("reconcile", file, "--to", "2026-11-20T13:00")
    assert (outcome.status, last(outcome)) == (
        0,
        "4 agree, 0 differ, 0 only with the carrier, 0 only with us, 1 left out that nobody answered, "
        "1 of ours still open",
    )
    outcome = await bridge.run("reconcile", file, "--to", "2026-11-20T13:00", "--unanswered")
    assert (outcome.status, "1 only with us" in last(outcome)) == (1, True)
    said = await bridge("reconcile", file, "--from", "2026-11-20T12:04")
    assert "from 2026-11-20 12:04:00 up to 2026-11-20 12:20:00" in said
    assert said.splitlines()[-1].startswith("3 agree")


async def test_a_file_in_a_format_of_its_own(bridge: Shell, called: list[Call], tmp_path: Path) -> None:
    file, layout = tmp_path / "berlin.csv", tmp_path / "berlin.toml"
    lines = ["Teilnehmer,Datum,Zeit,Dauer ms"]
    for one in CALLS[:3]:
        at = instant(one.call.started_us).astimezone(UTC) + timedelta(hours=1)
        lines.append(
            f"{one.call.caller[-8:]},{at:%d.%m.%Y},{at:%H:%M:%S},{(one.ended_us - one.call.started_us) // 1000}"
        )
    file.write_text("\n".join(lines))
    layout.write_text(
        'time_format = "%d.%m.%Y %H:%M:%S"\ntime_zone = "Europe/Berlin"\nduration_unit = "ms"\n'
        '[columns]\ncaller = "Teilnehmer"\nstart = ["Datum", "Zeit"]\nduration = "Dauer ms"\n'
    )
    assert "3 agree, 0 differ" in await bridge("reconcile", str(file), "--format", str(layout))
    options = ("--caller-column", "1", "--duration-column", "Dauer ms", "--duration-unit", "ms")
    joined = (
        "--start-column",
        "Datum",
        "--start-column",
        "Zeit",
        "--time-format",
        "%d.%m.%Y %H:%M:%S",
        "--time-zone",
        "Europe/Berlin",
    )
    assert "3 agree, 0 differ" in await bridge("reconcile", str(file), *options, *joined)


async def test_only_some_numbers(bridge: Shell, called: list[Call], tmp_path: Path) -> None:
    said = await bridge("reconcile", str(written(tmp_path / "cdr.csv")), "--number", "+1 800 555 0199")
    assert said.splitlines()[-1] == "0 agree, 0 differ, 0 only with the carrier, 0 only with us"
    assert "No call is in both books" in said


async def test_mistakes_get_one_clear_line(bridge: Shell, called: list[Call], tmp_path: Path) -> None:
    file = str(written(tmp_path / "cdr.csv"))
    (tmp_path / "empty.csv").write_text("caller,called,start,duration\n")
    for words, complaint in (
        ((str(tmp_path / "none.csv"),), "No such file"),
        ((str(tmp_path / "empty.csv"),), "from: the file has no call"),
        ((file, "--from", "2027-01-01"), "to: "),
        ((file, "--from", "soon"), "from: "),
        ((file, "--tolerance", "a bit"), "tolerance: "),
        ((file, "--window", "-1s"), "window: "),
        ((file, "--caller-column", "Who"), "caller: there is no column 'Who'"),
        ((file, "--format", str(tmp_path / "none.toml")), "No such file"),
        ((file, "--time-zone", "Mars"), "time_zone: "),
        ((file, "--csv", str(tmp_path / "none" / "out.csv")), "out.csv cannot be written"),
    ):
        assert complaint in await bridge.refused("reconcile", *words)


# --- The page for operators ---------------------------------------------------------------------------------------
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reconcile.md"


def session() -> list[tuple[list[str], str]]:
    """The commands of the page's examples, each with what it prints."""
    blocks = [block for block in PAGE.read_text().split("```")[1::2] if block.startswith("\n$ ")]
    steps = [step.partition("\n") for block in blocks for step in block.split("\n$ ")[1:]]
    return [(shlex.split(command), said.rstrip("\n") + "\n") for command, _, said in steps]


async def test_the_page_shows_what_is_printed(
    bridge: Shell, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = datetime(2026, 11, 23, 13, 49, 44, 812_004, tzinfo=UTC)
    told = [
        (3, 0, "12125550101", 26.884),
        (4, 0.3, "442079460104", 14.9),
        (5, 0.4, "4930123106", 1860.2),
        (6, 7, "4930123105", 1841.7),
        (7, 95, "4930123105", 40.3),
        (8, 400, "12125550177", 612.5),
        (9, 900, "", 75.1),
        (10, 1000, "33142278186", 9),
    ]
    calls = []
    for number, later, caller, seconds in told:
        made = call(number, timedelta(seconds=later), caller, seconds, began, 41_377)
        leg = replace(made.call, sip_call_id=f"{number:06x}-{number * 7919:08x}@203.0.113.7")
        leg = replace(leg, answered_us=None, outcome=Outcome.UNSERVED) if number == 10 else leg
        calls.append(replace(made, call=leg))
    await PostgresLedger(database).commit("node1", None, Position("f", 1), SwitchState("node1-0.0"), calls)
    monkeypatch.chdir(tmp_path)
    ran = 0
    for command, said in session():
        if command[0] == "bridge":
            assert (await bridge.run(*command[1:])).said == said
            ran += 1
        else:
            Path(command[-1]).write_text(said, encoding="latin-1" if command[0] == "iconv" else "utf-8")
    assert ran == 3
