"""`make faults`: callers and a nemesis on one stack, and an audit. The plan of both is a pure function of the seed."""

import argparse
import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from bridge.sandbox import rest
from bridge.sandbox.errors import SandboxError
from bridge.sandbox.host import ports, system
from bridge.sandbox.host.system import Say
from bridge.sandbox.stack import ACCESS_NUMBER, Sandbox
from tests.faults import auditor, crowd, evidence, plan, report
from tests.faults.auditor import Bill, Seen, Verdict
from tests.faults.crowd import Crowd, Told
from tests.faults.link import open_link
from tests.faults.nemesis import Nemesis, Trouble
from tests.faults.plan import Kind, Plan, Profile

ROOMS: Final = 20
DISK_MB: Final = 96
PROGRESS_S: Final = 10.0
# Seconds that the ledger has, after the last caller and the last fault, to come to rest.
REST_S: Final = 60.0
SHORT: Final = Profile(
    duration_s=110.0,
    rate=2.0,
    longest_stay_s=20.0,
    longest_freeze_s=6.0,
    gaps_s={"daemon": 6.0, "asterisk": 5.0, "postgres": 9.0, "journal": 6.0},
)
FULL: Final = Profile(
    duration_s=1440.0,
    rate=3.0,
    longest_stay_s=60.0,
    longest_freeze_s=60.0,
    gaps_s={"daemon": 20.0, "asterisk": 45.0, "postgres": 20.0, "journal": 20.0},
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a run came to. `witness` is the switch's own journal, undamaged."""

    verdict: Verdict
    troubles: Sequence[Trouble]
    witness: Sequence[bytes]
    asterisk: str
    postgres: str


@dataclass(frozen=True, slots=True)
class Firm:
    """The account whose rooms are called, and the codes of its rooms by role."""

    account_id: str
    codes: Sequence[dict[str, str]]

    def code(self, room: int, role: str) -> str:
        return self.codes[room][role]


async def run(seed: int, profile: Profile, folder: Path, say: Say, keep: Path | None = None) -> Found:
    """A whole run in a sandbox of its own in `folder`; nothing of it is left running. `keep` is given its traces."""
    system.ensure(system.for_callers(), say)
    with ports.claim(2) as claim, _small_disk(folder / "s" / "node" / "journal", say) as small:
        ari, ami = f"127.0.0.1:{claim.first}", f"127.0.0.1:{claim.first + 1}"
        # One number calls thousands of times, and faults make it look as if it were guessing.
        patient = {"BRIDGE_DELAY_S": "0", "BRIDGE_BLOCK_AFTER": "1000"}
        aside = {"BRIDGE_ARI_URL": f"http://{ari}", "BRIDGE_AMI_ADDRESS": ami, **patient}
        sandbox = Sandbox(folder / "s", say, daemon_settings=aside)
        if not small:
            profile = replace(profile, without=profile.without | {Kind.DISK_FULL})
        try:
            return await _staged(sandbox, claim.first, seed, profile, say, keep)
        finally:
            await asyncio.to_thread(sandbox.remove)


async def _staged(sandbox: Sandbox, first_port: int, seed: int, profile: Profile, say: Say, keep: Path | None) -> Found:
    await asyncio.to_thread(sandbox.up, ["postgres", "asterisk"])
    await asyncio.to_thread(sandbox.stop, "asterisk")
    witness = sandbox.asterisk.home / "witness.jsonl"
    evidence.add_witness(sandbox.asterisk.etc / "cel_custom.conf", witness)
    await asyncio.to_thread(sandbox.restart, "asterisk")
    environment = sandbox.environment
    async with AsyncExitStack() as stack:
        ari = await stack.enter_async_context(
            open_link(first_port, environment["BRIDGE_ARI_URL"].removeprefix("http://"))
        )
        ami = await stack.enter_async_context(open_link(first_port + 1, environment["BRIDGE_AMI_ADDRESS"]))
        await asyncio.to_thread(sandbox.up)
        api = await stack.enter_async_context(rest.client(sandbox.api_url, environment["BRIDGE_OPERATOR_KEY"]))
        firm = await _found_firm(api)
        planned = plan.make(seed, profile, ROOMS)
        say(f"seed {seed}: {len(planned.visits)} callers, {len(planned.faults)} faults, {profile.duration_s:.0f} s")
        nemesis = Nemesis(sandbox, ari, ami, say)
        told = await _play(sandbox, planned, profile, firm, nemesis, witness, say)
        seen, lines = await _rested(sandbox, api, firm, nemesis, told, witness, say)
        async with asyncio.timeout(30.0):
            connection = await asyncpg.connect(sandbox.database_url)
            postgres = str(await connection.fetchval("SHOW server_version"))
            await connection.close()
    if keep:
        _keep(keep, sandbox, witness, seen)
    return Found(auditor.audit(seen), nemesis.troubles, lines, sandbox.asterisk.tree.version, postgres)


async def _found_firm(api: rest.Rest) -> Firm:
    account = await api.post("/v1/accounts", {"name": "Faults", "currency": "USD", "time_zone": "UTC"})
    tariff = {"per_minute": "0.049", "connect_fee": "0.02", "first_increment_s": 6, "next_increment_s": 6}
    await api.post(
        "/v1/tariffs",
        {"account_id": account["id"], "decimals": 4, "effective_from": "2020-01-01T00:00:00Z", **tariff},
    )
    codes = []
    for number in range(ROOMS):
        body = {"user_id": f"u{number}", "name": f"User {number}"}
        made = await api.post(f"/v1/accounts/{account['id']}/sub-accounts", body)
        codes.append({passcode["role"]: passcode["digits"] for passcode in made["rooms"][0]["passcodes"]})
    return Firm(account["id"], codes)


async def _play(
    sandbox: Sandbox, planned: Plan, profile: Profile, firm: Firm, nemesis: Nemesis, witness: Path, say: Say
) -> list[Told]:
    """Calls and faults, side by side, until all callers have gone and all faults are healed."""
    everyone = Crowd(planned.visits, firm.code, ACCESS_NUMBER, sandbox.sip_address, lambda: nemesis.deaths["asterisk"])
    async with asyncio.TaskGroup() as tasks:
        supervising = tasks.create_task(nemesis.supervise())
        telling = tasks.create_task(_tell(everyone, nemesis, witness, say))
        async with asyncio.TaskGroup() as acts:
            acts.create_task(everyone.run(profile.rate))
            haunting = [
                acts.create_task(crowd.haunt(ghost, firm.code(ghost.room, "guest"), ACCESS_NUMBER, sandbox.sip_address))
                for ghost in planned.ghosts
            ]
            acts.create_task(nemesis.run(planned.faults, asyncio.get_running_loop().time()))
        supervising.cancel()
        telling.cancel()
    return [*everyone.told(), *(ghost.result() for ghost in haunting)]


async def _tell(everyone: Crowd, nemesis: Nemesis, witness: Path, say: Say) -> None:
    begin = asyncio.get_running_loop().time()
    joined, offset = 0, 0
    while True:
        await asyncio.sleep(PROGRESS_S)
        with witness.open("rb") as file:
            file.seek(offset)
            data = file.read()
        offset, joined = offset + len(data), joined + data.count(b'"BRIDGE_ENTER"')
        say(
            f"{asyncio.get_running_loop().time() - begin:6.1f} s  {everyone.placed} calls, {everyone.going} going on, "
            f"about {joined} joins, {len(nemesis.troubles)} faults healed"
        )


async def _rested(
    sandbox: Sandbox, api: rest.Rest, firm: Firm, nemesis: Nemesis, told: list[Told], witness: Path, say: Say
) -> tuple[Seen, list[bytes]]:
    """What there is to see once every call is in the ledger and nothing is open, or after REST_S."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + REST_S
    lines = witness.read_bytes().split(b"\n")
    journal = await _journal(sandbox)
    called, unread = evidence.called(lines, journal)
    connection = await asyncpg.connect(sandbox.database_url)
    try:
        while True:
            calls, left_open = await evidence.calls(connection), await evidence.left_open(connection)
            if (left_open == 0 and set(called) - unread <= set(calls)) or loop.time() > deadline:
                break
            await asyncio.sleep(0.5)
        say(f"at rest after {REST_S - (deadline - loop.time()):.1f} s")
        seen = Seen(
            told,
            called,
            evidence.joins(lines, journal),
            await evidence.records(connection),
            calls,
            unread,
            left_open,
            await _bill(connection, api, firm),
            list(nemesis.troubles),
            dict(nemesis.crashes),
        )
        return seen, lines
    finally:
        await connection.close()


async def _bill(connection: asyncpg.Connection, api: rest.Rest, firm: Firm) -> Bill:
    """The bill, from a daemon that may just have been started again."""
    async with asyncio.timeout(60.0):
        while True:
            try:
                return await evidence.bill(connection, api, firm.account_id)
            except SandboxError:
                await asyncio.sleep(0.5)


async def _journal(sandbox: Sandbox) -> list[bytes]:
    """The product's journal, archives included; it may just be moving a file."""
    async with asyncio.timeout(30.0):
        while True:
            try:
                return list(evidence.lines(sandbox.asterisk.journal.parent))
            except (OSError, EOFError):
                await asyncio.sleep(0.1)


@contextmanager
def _small_disk(journal: Path, say: Say) -> Iterator[bool]:
    """A disk of its own for the journal, small enough to be filled; whether there is one, which takes root."""
    journal.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=750", "tmpfs", str(journal)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        say("no small disk may be mounted here: no disk will be filled")
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", str(journal)], capture_output=True, check=False)


def _keep(folder: Path, sandbox: Sandbox, witness: Path, seen: Seen) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in (
        witness,
        sandbox.daemon_log,
        sandbox.folder / "node/log/messages",
        *sandbox.asterisk.journal.parent.glob("[!.]*"),
    ):
        shutil.copy(path, folder)
    (folder / "seen.json").write_text(json.dumps(asdict(seen), default=str, indent=1))


def _lines_of(witness: Sequence[bytes], uniqueid: str) -> Iterator[str]:
    wanted = f'"uniqueid":"{uniqueid}"'.encode()
    return (line.decode(errors="replace") for line in witness if wanted in line)


def _profile(chosen: argparse.Namespace) -> Profile:
    profile = SHORT if chosen.short else FULL
    changes: dict[str, Any] = {}
    if chosen.seconds:
        changes["duration_s"] = chosen.seconds
    if chosen.rate:
        changes["rate"] = chosen.rate
    if chosen.calm is not None:
        changes["calm_s"] = chosen.calm
    if chosen.pace != 1.0:
        changes["gaps_s"] = {lane: gap / chosen.pace for lane, gap in profile.gaps_s.items()}
    if chosen.only:
        changes["without"] = frozenset(kind for kind in Kind if not any(word in kind.name for word in chosen.only))
    return replace(profile, **changes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of the plan; one of chance unless given")
    parser.add_argument("--short", action="store_true", help="the profile of `make test`")
    parser.add_argument("--seconds", type=float, help="how long new callers come")
    parser.add_argument("--rate", type=float, help="new callers a second")
    parser.add_argument("--pace", type=float, default=1.0, help="how many times as many faults")
    parser.add_argument("--calm", type=float, help="seconds for which Asterisk is left alone")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="only faults with such a word in their Kind's name")
    parser.add_argument("--report", type=Path, help="write the findings there as markdown")
    parser.add_argument("--keep", type=Path, help="a folder for journal, logs and all that was compared")
    chosen = parser.parse_args()
    seed = secrets.randbelow(10**6) if chosen.seed is None else chosen.seed
    profile = _profile(chosen)
    # As Ctrl-C, which asyncio turns into the end of the run alone: what tidies up goes on.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))

    def say(text: str) -> None:
        print(text, flush=True)

    with tempfile.TemporaryDirectory(prefix="bridge-faults-") as folder:
        try:
            found = asyncio.run(run(seed, profile, Path(folder), say, chosen.keep))
        except KeyboardInterrupt:
            sys.exit("interrupted; nothing is left running")
    verdict = found.verdict
    for uniqueid in dict.fromkeys(violation.uniqueid for violation in verdict.violations if violation.uniqueid):
        if len(verdict.violations) <= 10:
            say("\n".join(_lines_of(found.witness, uniqueid)))
    say(report.table(verdict))
    say(report.complaints(verdict.violations))
    about: dict[str, str | int | float] = {
        "seed": seed,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seconds": profile.duration_s,
        "callers a second": profile.rate,
        "faults as against usual": chosen.pace,
        "Asterisk": found.asterisk,
        "Postgres": found.postgres,
        "Python": sys.version.split()[0],
        "cores": os.cpu_count() or 0,
    }
    if chosen.report:
        chosen.report.parent.mkdir(exist_ok=True)
        chosen.report.write_text(report.page(verdict, found.troubles, about))
    print(json.dumps({**verdict.figures, "seed": seed, "cores": os.cpu_count(), "seconds": profile.duration_s}))
    sys.exit(1 if verdict.violations else 0)


if __name__ == "__main__":
    main()
