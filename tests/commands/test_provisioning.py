"""Everything a call needs can be set up from the shell."""

import json
import re
import subprocess
import sys

import pytest

from .conftest import Shell

NAME = "Hale & Partner"
PROGRAM = "import sys; sys.argv[0] = 'bridge'; from bridge.cli import main; main()"
HALE = ("--account", "Hale")
NOBODY = "6d1c1b1e-0000-4000-8000-000000000000"


async def test_from_nothing_to_a_passcode(bridge: Shell) -> None:
    account = await bridge.json("account", "create", NAME, "--currency", "eur", "--time-zone", "Europe/Berlin")
    assert (account["name"], account["currency"]) == (NAME, "EUR")
    assert await bridge.json("account", "list") == [account]
    made = await bridge.json("sub-account", "create", "--account", NAME, "1001", "Ada Hale", "--kind", "client")
    [room] = made["rooms"]
    assert [passcode["role"] for passcode in room["passcodes"]] == ["host", "guest"]
    host = room["passcodes"][0]
    assert (await bridge("passcode", "reveal", host["id"])).strip() == host["digits"]
    assert await bridge.json("passcode", "reveal", host["id"]) == {"id": host["id"], "digits": host["digits"]}
    added = await bridge.json("passcode", "create", "--room", room["id"], "--role", "guest")
    chosen = await bridge.json("passcode", "create", "--room", room["id"], "--digits", "7418529637")
    assert (chosen["digits"], chosen["role"]) == ("7418529637", "guest")
    revoked = await bridge.json("passcode", "revoke", added["id"])
    assert (revoked["id"], revoked["state"]) == (added["id"], "revoked")
    states = [passcode["state"] for passcode in await bridge.json("passcode", "list", "--room", room["id"])]
    assert states == ["live", "live", "revoked", "live"]
    [listed] = await bridge.json("sub-account", "list", "--account", account["id"])
    assert listed["id"] == made["id"]
    number = await bridge.json("access-number", "add", "+49 (30) 123-456", "--kind", "toll_free")
    assert number["number"] == "4930123456"
    assert await bridge.json("access-number", "list") == [number]


async def test_tables_are_aligned_and_hide_digits(bridge: Shell) -> None:
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


async def test_tariffs(bridge: Shell) -> None:
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
        (("sub-account", "list", "--account", NOBODY), "no account"),
        (("sub-account", "create", "--account", "Twin", "1", "x"), "2 accounts are named 'Twin'"),
        (("sub-account", "create", *HALE, "1001", "x"), "'1001' is taken"),
        (("passcode", "list", "--room", "here"), "room: 'here' is no id"),
        (("passcode", "list", "--room", NOBODY), "no room"),
        (("passcode", "create", "--room", NOBODY), "no room"),
        (("passcode", "reveal", "1"), "passcode_id: "),
        (("passcode", "revoke", NOBODY), "no passcode"),
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
async def test_mistakes_get_one_clear_line(bridge: Shell, words: tuple[str, ...], complaint: str) -> None:
    for name in ("Hale", "Twin", "Twin"):
        await bridge("account", "create", name, "--currency", "EUR", "--time-zone", "UTC")
    await bridge("sub-account", "create", *HALE, "1001", "Ada")
    assert complaint in await bridge.refused(*words)


async def test_postgres_away(bridge: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_DATABASE_URL", "postgresql://bridge:hunter2@127.0.0.1:1/bridge")
    complaint = await bridge.refused("account", "list")
    assert "127.0.0.1:1" in complaint
    assert "hunter2" not in complaint
    monkeypatch.delenv("BRIDGE_DATABASE_URL")
    assert "BRIDGE_DATABASE_URL is not set" in await bridge.refused("account", "list")


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
    assert "BRIDGE_DATABASE_URL is not set" in unset.stderr
    completed = run(_BRIDGE_COMPLETE="complete_bash", COMP_WORDS="bridge acc", COMP_CWORD="1").stdout
    assert {"account", "access-number"} == set(completed.split())
    assert json.loads(run("settings", "--json").stdout)
