"""Setting up from the shell everything that a call needs."""

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.api import table
from bridge.commands import resources
from tests.commands.conftest import PASSCODE_KEY, Shell

NAME = "Hale & Partner"
PROGRAM = "import sys; sys.argv[0] = 'bridge'; from bridge.cli import main; main()"
HALE = ("--account", "Hale")
NOBODY = "6d1c1b1e-0000-4000-8000-000000000000"


async def test_from_nothing_to_a_passcode(rest: Shell) -> None:
    bridge = rest
    account = await bridge.json("account", "create", NAME, "--currency", "eur", "--time-zone", "Europe/Berlin")
    assert (account["name"], account["currency"]) == (NAME, "EUR")
    assert await bridge.json("account", "list") == [account]
    made = await bridge.json("sub-account", "create", "--account", NAME, "1001", "Ada Hale", "--kind", "client")
    [room] = made["rooms"]
    assert [passcode["role"] for passcode in room["passcodes"]] == ["host", "guest"]
    host = room["passcodes"][0]
    assert host["digits"] in await bridge("passcode", "reveal", host["id"])
    assert (await bridge.json("passcode", "reveal", host["id"]))["digits"] == host["digits"]
    added = await bridge.json("passcode", "create", "--room", room["id"], "--role", "guest")
    chosen = await bridge.json("passcode", "create", "--room", room["id"], "--digits", "748295163")
    assert (chosen["digits"], chosen["role"]) == ("748295163", "guest")
    assert await bridge("passcode", "revoke", added["id"]) == "done\n"
    states = [passcode["state"] for passcode in await bridge.json("passcode", "list", "--room", room["id"])]
    assert states == ["live", "live", "revoked", "live"]
    [listed] = await bridge.json("sub-account", "list", "--account", account["id"])
    assert listed["id"] == made["id"]
    number = await bridge.json("access-number", "add", "+49 (30) 123-456", "--kind", "toll_free")
    assert number["number"] == "4930123456"
    assert await bridge.json("access-number", "list") == [number]


async def test_a_trunk_is_kept_by_its_name_and_its_password_is_read_from_a_file(rest: Shell, tmp_path: Path) -> None:
    bridge, secret = rest, tmp_path / "password"
    secret.write_text("s3cret-of-the-trunk\nnot this\n")
    words = ("--registrar", "sip.example", "--username", "u", "--password-file", str(secret))
    made = await bridge.json("trunk", "add", "easy", *words, "--codec", "alaw", "--codec", "g722")
    assert (made["has_password"], made["codecs"]) == (True, ["alaw", "g722"])
    assert "s3cret" not in str(made)
    number = await bridge.json("access-number", "add", "4930123456", "--trunk-id", "easy")
    assert number["trunk_ids"] == [made["id"]]
    changed = await bridge.json("trunk", "change", "easy", "--country", "de", "--number-form", "national", "--yes")
    assert (changed["country"], changed["number_form"]) == ("DE", "national")
    assert "easy" in await bridge("trunk", "list")
    assert "no trunk named 'nobody'" in await bridge.refused("trunk", "get", "nobody")
    assert "4930123456" in await bridge.refused("trunk", "delete", "easy", "--yes")
    await bridge("access-number", "delete", number["id"], "--yes")
    assert await bridge("trunk", "delete", "easy", "--yes") == "done\n"


async def test_a_sub_account_is_changed_by_its_user_id_and_closed(rest: Shell) -> None:
    bridge = rest
    await bridge("account", "create", "Hale", "--currency", "EUR", "--time-zone", "UTC")
    await bridge("sub-account", "create", *HALE, "1001", "Ada", "--label", "floor=3", "--label", "team=tax")
    seat = ("1001", *HALE)
    changed = await bridge.json("sub-account", "change", *seat, "--cost-centre", "K-7", "--max-callers", "4")
    assert (changed["cost_centre"], changed["max_callers"]) == ("K-7", 4)
    assert changed["labels"] == {"floor": "3", "team": "tax"}
    assert (await bridge.json("sub-account", "change", *seat, "--max-callers", "none"))["max_callers"] is None
    trusting = await bridge("sub-account", "change", *seat, "--trust-callers")
    assert "warning: " in trusting
    assert (await bridge.json("sub-account", "change", *seat, "--state", "suspended"))["state"] == "suspended"
    assert (await bridge.json("sub-account", "get", *seat))["state"] == "suspended"
    assert "no sub-account '1002'" in await bridge.refused("sub-account", "get", "1002", *HALE)
    assert "max_callers: 'x' is no whole number" in await bridge.refused(
        "sub-account", "change", *seat, "--max-callers", "x"
    )
    assert "'red' is no KEY=VALUE" in await bridge.refused("sub-account", "change", *seat, "--label", "red")


async def test_a_company_comes_from_a_file(rest: Shell, tmp_path: Path) -> None:
    bridge = rest
    await bridge("account", "create", "Hale", "--currency", "EUR", "--time-zone", "UTC")
    said = await bridge("sub-account", "import", *HALE, str(Path("docs/company.csv").absolute()))
    people = said.split("\n\n")[0].splitlines()
    assert len(people) == 51
    assert "e-1001" in people[1]
    codes = re.findall(r"^e-1001 .* (host|guest) +live +([0-9]{6,})", said, re.M)
    assert [role for role, _ in codes] == ["host", "guest"]
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("user_id,name\n2001,Ada\n2001,Ben\n,Cid\n")
    outcome = await bridge.run("sub-account", "import", *HALE, str(wrong))
    assert (outcome.status, outcome.said) == (1, "")
    assert {line.split(":")[0] for line in outcome.complained.splitlines()} >= {"items/1/user_id"} or (
        "items/2" in outcome.complained
    )
    assert len(await bridge.json("sub-account", "list", *HALE)) == 50
    assert "cannot be read" in await bridge.refused("sub-account", "import", *HALE, str(tmp_path / "none.csv"))


async def test_every_operation_has_its_command(rest: Shell) -> None:
    for operation in table.OPERATIONS:
        noun, verb = resources.named(operation)
        if noun not in resources.HANDWRITTEN:
            said = await rest(resources.RESOURCES[noun].command, verb, "--help")
            assert operation.summary.split(" ")[0] in said


async def test_the_daemon_away(rest: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_API_URL", "http://127.0.0.1:1")
    for words in (("account", "list"), ("tariff", "list", *HALE), ("minutes", *HALE), ("statement", *HALE)):
        assert "the daemon does not answer at http://127.0.0.1:1" in await rest.unable(*words)
    monkeypatch.delenv("BRIDGE_OPERATOR_KEY")
    assert "BRIDGE_OPERATOR_KEY is not set" in await rest.refused("account", "list")


async def test_a_wrong_key(rest: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_OPERATOR_KEY", "x" * 20)
    assert "valid key" in await rest.refused("account", "list")


async def test_passcodes_are_renewed_under_a_new_key(rest: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    bridge = rest
    await bridge("account", "create", "Hale", "--currency", "EUR", "--time-zone", "UTC")
    await bridge("sub-account", "create", *HALE, "1001", "Ada")
    monkeypatch.setenv("BRIDGE_PASSCODE_KEY", "ab" * 32)
    monkeypatch.setenv("BRIDGE_PASSCODE_KEYS_OLD", PASSCODE_KEY)
    outcome = await bridge.run("key", "renew-passcodes")
    assert (outcome.status, outcome.said.split()[0]) == (0, "2")
    again = await bridge.run("key", "renew-passcodes")
    assert again.said.split()[0] == "0"
    monkeypatch.delenv("BRIDGE_PASSCODE_KEYS_OLD")
    assert (await bridge("key", "renew-passcodes")).split()[0] == "0"


async def test_a_wrong_passcode_key_is_refused_and_a_lost_one_replaced(
    rest: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = rest
    await bridge("account", "create", "Hale", "--currency", "EUR", "--time-zone", "UTC")
    await bridge("sub-account", "create", *HALE, "1001", "Ada")
    monkeypatch.setenv("BRIDGE_PASSCODE_KEY", "ab" * 32)
    assert "BRIDGE_PASSCODE_KEY is not the key" in await bridge.refused("key", "renew-passcodes")
    assert "issue new passcodes" in await bridge("key", "replace-lost", "--yes")
    assert "sealed under another" in await bridge.refused("key", "renew-passcodes")
    monkeypatch.setenv("BRIDGE_PASSCODE_KEY", PASSCODE_KEY)
    assert "bridge key replace-lost" in await bridge.refused("key", "renew-passcodes")


async def test_codes_of_another_bridge_are_imported_and_rotated(rest: Shell, tmp_path: Path) -> None:
    bridge, file = rest, tmp_path / "codes.csv"
    await bridge("account", "create", "Hale", "--currency", "EUR", "--time-zone", "UTC")
    made = await bridge.json("sub-account", "create", *HALE, "1001", "Ada")
    file.write_text("role,digits,label\nhost,4711,=board\nguest,558211,\n")
    said = await bridge("passcode", "import-existing", "--room", made["rooms"][0]["id"], str(file))
    assert "4711" in said
    assert "warning: one entry of random digits now opens a room with odds of 1 in 9,901" in said
    said = await bridge("passcode", "rotate-short")
    assert [line.split() for line in said.splitlines()[1:3]] == [["Hale", "4", "1"], ["Hale", "6", "1"]]
    assert "2 passcodes are too short: --apply rotates them" in said
    assert (await bridge.json("passcode", "rotate-short", *HALE))["short"][0]["passcodes"] == 1
    outcome = await bridge.run("passcode", "rotate-short", "--apply")
    assert outcome.status == 0
    rows = list(csv.DictReader(outcome.said.splitlines()))
    assert sorted((row["user_id"], row["role"], row["label"], row["old_digits"]) for row in rows) == [
        ("1001", "guest", "", "6"),
        ("1001", "host", "'=board", "4"),
    ]
    assert all(len(row["digits"]) == 9 for row in rows)
    assert outcome.complained.splitlines() == [
        "2 passcodes rotated, 0 expired ones revoked",
        "odds of a guess: 1 in 9,901 on shared numbers, none in the worst own code space before; "
        "1 in 250,000,000 on shared numbers, none in the worst own code space now",
    ]
    assert (await bridge("passcode", "rotate-short")).startswith("no passcode is too short\n")
    done = await bridge.json("passcode", "rotate-short", "--apply")
    assert (done["rotated"], done["odds"]["shared"]) == ([], 4e-9)


async def test_tables_are_aligned_and_hide_digits(rest: Shell) -> None:
    bridge = rest
    await bridge("account", "create", "Müller", "--currency", "EUR", "--time-zone", "Europe/Berlin")
    await bridge("account", "create", "山田太郎", "--currency", "JPY", "--time-zone", "Asia/Tokyo")
    head, *rows = (await bridge("account", "list")).splitlines()
    assert head.split() == ["id", "name", "currency", "time", "zone", "state"]
    assert rows[0].index("EUR") == head.index("currency")
    assert rows[1].index("JPY") == head.index("currency") - len("山田太郎")
    said = await bridge("sub-account", "create", "--account", "山田太郎", "1", "営業部", "--kind", "department")
    digits = re.findall(r"(?<![\w-])[0-9]{6,9}(?![\w-])", said.split("\n\n")[1])
    assert len(digits) == 2
    listed = await bridge("sub-account", "list", "--account", "山田太郎")
    room = listed.split()[-1]
    codes = await bridge("passcode", "list", "--room", room)
    assert "live" in codes
    assert not any(code in listed + codes for code in digits)


async def test_tariffs(rest: Shell) -> None:
    bridge = rest
    await bridge("account", "create", "Hale", "--currency", "EUR", "--time-zone", "Europe/Berlin")
    add = ("tariff", "add", *HALE, "--per-minute")
    made = await bridge.json(
        *add, "0.049", "--effective-from", "2026-11-01", "--decimals", "4", "--connect-fee", "0.02"
    )
    assert (made["per_minute"], made["connect_fee"]) == ("0.0490", "0.0200")
    assert made["effective_from"] == "2026-10-31T23:00:00.000000Z"
    other = await bridge.json(*add, "1", "--effective-from", "2026-12-01T00:00:00Z", "--first-increment", "30")
    assert await bridge.json("tariff", "list", *HALE) == [made, other]
    assert not made["bill_estimated"]
    generous = await bridge.json(*add, "0.05", "--effective-from", "2027-03-01", "--bill-estimated")
    assert generous["bill_estimated"]
    assert "0.0490" in await bridge("tariff", "list", *HALE)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("account", "create", "", "--currency", "EUR", "--time-zone", "UTC"), "name: "),
        (("account", "create", "x", "--currency", "DEM", "--time-zone", "UTC"), "currency: "),
        (("account", "create", "x", "--currency", "EUR", "--time-zone", "Mars"), "time_zone: "),
        (("account", "create", "x\x1b[31m", "--currency", "EUR", "--time-zone", "UTC"), "name: "),
        (("account", "create", "x\udcff", "--currency", "EUR", "--time-zone", "UTC"), "name: "),
        (("sub-account", "list", "--account", "nobody"), "no account named 'nobody'"),
        (("sub-account", "list", "--account", NOBODY), "no such thing"),
        (("sub-account", "create", "--account", "Twin", "1", "x"), "2 accounts are named 'Twin'"),
        (("sub-account", "create", *HALE, "1001", "x"), "'1001' is taken"),
        (("passcode", "list", "--room", "here"), "room_id: 'here' is no id"),
        (("passcode", "list", "--room", NOBODY), "no such thing"),
        (("passcode", "create", "--room", NOBODY, "--role", "guest"), "no such thing"),
        (("passcode", "reveal", "1"), "passcode_id: "),
        (("passcode", "revoke", NOBODY), "no such thing"),
        (("access-number", "add", "call me"), "number: "),
        (("tariff", "add", *HALE, "--per-minute", "x", "--effective-from", "2026-11-01"), "per_minute: "),
        (
            ("tariff", "add", *HALE, "--per-minute", "-1", "--effective-from", "2026-11-01"),
            "per_minute: ",
        ),
        (
            ("tariff", "add", *HALE, "--per-minute", "NaN", "--effective-from", "2026-11-01"),
            "per_minute: ",
        ),
        (("tariff", "add", *HALE, "--per-minute", "1", "--effective-from", "soon"), "effective_from: "),
        (
            ("tariff", "add", *HALE, "--per-minute", "1", "--effective-from", "0001-01-01"),
            "effective_from: ",
        ),
        (("minutes", *HALE, "--room", "x"), "room: "),
        (("minutes", *HALE, "--from", "x"), "from: "),
        (("minutes", *HALE, "--period", "x"), "period: "),
        (("minutes", *HALE, "--period", "2026-11", "--to", "2026-11-02"), "period: "),
        (("minutes", *HALE, "--sub-account", "9"), "no sub-account '9'"),
        (("statement", *HALE, "--period", "2026-13"), "period: "),
        (("statement", "--account", ""), "no account named ''"),
    ],
)
async def test_mistakes_get_one_clear_line(rest: Shell, words: tuple[str, ...], complaint: str) -> None:
    bridge = rest
    for name in ("Hale", "Twin", "Twin"):
        await bridge("account", "create", name, "--currency", "EUR", "--time-zone", "UTC")
    await bridge("sub-account", "create", *HALE, "1001", "Ada")
    assert complaint in await bridge.refused(*words)


async def test_postgres_away(bridge: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_DATABASE_URL", "postgresql://bridge:hunter2@127.0.0.1:1/bridge")
    complaint = await bridge.unable("journal", "incidents")
    assert "127.0.0.1:1" in complaint
    assert "hunter2" not in complaint
    monkeypatch.delenv("BRIDGE_DATABASE_URL")
    assert "BRIDGE_DATABASE_URL is not set" in await bridge.refused("journal", "incidents")


async def test_settings_are_listed(bridge: Shell) -> None:
    listed = await bridge.json("settings")
    names = [setting["name"] for setting in listed]
    assert "BRIDGE_DATABASE_URL" in names
    said = await bridge("settings")
    assert all(name in said for name in names)


def test_the_program_itself() -> None:
    """A process of its own: usage errors, and completion for the shell."""

    def run(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", PROGRAM, *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert "--kind" in run("sub-account", "create", "--help", COLUMNS="120").stdout
    wrong = run("account", "create", "x", "--currency")
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False)
    unset = run("account", "list")
    assert (unset.returncode, unset.stdout) == (1, "")
    assert "BRIDGE_OPERATOR_KEY is not set" in unset.stderr
    completed = run(_BRIDGE_COMPLETE="complete_bash", COMP_WORDS="bridge acc", COMP_CWORD="1").stdout
    assert {"account", "access-number"} == set(completed.split())
    assert json.loads(run("settings", "--json").stdout)
