"""`make faults`: real callers on one stack while its parts are killed, frozen and cut, and an audit of every minute.

Calls and faults are planned from a seed alone, so that a run can be repeated. When a promise is broken, everything that
is needed to look at it stays in a folder, which is printed.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg

from bridge.sandbox import rest
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.errors import SandboxError
from bridge.sandbox.host import ports, system
from bridge.sandbox.host.system import Say
from bridge.sandbox.stack import Sandbox
from tests.faults import auditor, crowd, evidence, plan, report
from tests.faults.auditor import Bill, Evidence, Verdict
from tests.faults.crowd import CallerReport, Crowd
from tests.faults.link import open_link
from tests.faults.nemesis import Nemesis, Trouble
from tests.faults.plan import Kind, Plan, Profile
from tests.faults.report import Run

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
class Findings:
    """The outcome of a run. `witness` is the switch's own journal, undamaged; `kept` is the folder of the evidence."""

    verdict: Verdict
    troubles: Sequence[Trouble]
    witness: Sequence[bytes]
    asterisk: str
    postgres: str
    kept: Path | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """The account whose rooms are called, and for each room its codes by role."""

    account_id: str
    codes: Sequence[dict[str, str]]

    def code(self, room: int, role: str) -> str:
        return self.codes[room][role]


async def run(seed: int, profile: Profile, folder: Path, say: Say, keep: Path | None = None) -> Findings:
    """Do a whole run in a sandbox of its own in `folder`; nothing of it is left running.

    The evidence is kept in `keep`, or in a new temporary folder if a promise was broken or the run failed.
    """
    system.ensure(system.for_callers(), say)
    with ports.claim(2) as claim, _small_disk(folder / "s" / "node" / "journal", say) as small:
        ari, ami = f"127.0.0.1:{claim.first}", f"127.0.0.1:{claim.first + 1}"
        aside = {"BRIDGE_ARI_URL": f"http://{ari}", "BRIDGE_AMI_ADDRESS": ami}
        sandbox = Sandbox(folder / "s", say, daemon_settings=aside)
        if not small:
            profile = replace(profile, without=profile.without | {Kind.DISK_FULL})
        try:
            return await _staged(sandbox, claim.first, seed, profile, say, keep)
        except Exception:
            kept = keep or _new_folder(seed)
            evidence.keep_logs(kept, sandbox)
            say(f"seed {seed}: the run failed; its logs and journal are in {kept}")
            raise
        finally:
            await asyncio.to_thread(sandbox.remove)


async def _staged(
    sandbox: Sandbox, first_port: int, seed: int, profile: Profile, say: Say, keep: Path | None
) -> Findings:
    await asyncio.to_thread(sandbox.up, ["postgres", "asterisk"])
    await asyncio.to_thread(sandbox.stop, "asterisk")
    witness = sandbox.asterisk.home / evidence.WITNESS
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
        account = await _create_account(api)
        planned = plan.make(seed, profile, ROOMS)
        say(f"seed {seed}: {len(planned.visits)} callers, {len(planned.faults)} faults, {profile.duration_s:.0f} s")
        nemesis = Nemesis(sandbox, ari, ami, say)
        reports = await _run_plan(sandbox, planned, profile, account, nemesis, witness, say)
        seen, lines = await _rested(sandbox, api, account, nemesis, reports, witness, say)
        verdict = auditor.audit(seen)
        kept = keep or (_new_folder(seed) if verdict.violations else None)
        async with asyncio.timeout(60.0):
            connection = await asyncpg.connect(sandbox.database_url)
            try:
                postgres = str(await connection.fetchval("SHOW server_version"))
                if kept:
                    await evidence.keep(kept, sandbox, connection, seen, verdict.violations)
            finally:
                await connection.close()
    if kept:
        say(f"seed {seed}: {len(verdict.violations)} violations; journal, ledger, callers' logs and faults: {kept}")
    return Findings(verdict, nemesis.troubles, lines, sandbox.asterisk.tree.version, postgres, kept)


def _new_folder(seed: int) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"bridge-faults-seed-{seed}-"))


async def _create_account(api: rest.Rest) -> Account:
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
    return Account(account["id"], codes)


async def _run_plan(
    sandbox: Sandbox, planned: Plan, profile: Profile, account: Account, nemesis: Nemesis, witness: Path, say: Say
) -> list[CallerReport]:
    """Place the calls and do the faults, until all callers have gone and all faults are healed."""
    everyone = Crowd(
        planned.visits, account.code, ACCESS_NUMBER, sandbox.sip_address, lambda: nemesis.deaths["asterisk"]
    )
    async with asyncio.TaskGroup() as tasks:
        supervising = tasks.create_task(nemesis.supervise())
        reporting = tasks.create_task(_report_progress(everyone, nemesis, witness, say))
        async with asyncio.TaskGroup() as acts:
            acts.create_task(everyone.run(profile.rate))
            haunting = [
                acts.create_task(
                    crowd.haunt(ghost, account.code(ghost.room, "guest"), ACCESS_NUMBER, sandbox.sip_address)
                )
                for ghost in planned.ghosts
            ]
            acts.create_task(nemesis.run(planned.faults, asyncio.get_running_loop().time()))
        supervising.cancel()
        reporting.cancel()
    return [*everyone.told(), *(ghost.result() for ghost in haunting)]


async def _report_progress(everyone: Crowd, nemesis: Nemesis, witness: Path, say: Say) -> None:
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
    sandbox: Sandbox,
    api: rest.Rest,
    account: Account,
    nemesis: Nemesis,
    reports: list[CallerReport],
    witness: Path,
    say: Say,
) -> tuple[Evidence, list[bytes]]:
    """Gather the evidence once every call is in the ledger and nothing is open, or after REST_S."""
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
        seen = Evidence(
            reports,
            called,
            evidence.joins(lines, journal),
            await evidence.records(connection),
            calls,
            unread,
            left_open,
            await _bill(connection, api, account),
            list(nemesis.troubles),
            dict(nemesis.crashes),
        )
        return seen, lines
    finally:
        await connection.close()


async def _bill(connection: asyncpg.Connection, api: rest.Rest, account: Account) -> Bill:
    """Read the bill, from a daemon that may just have been started again."""
    async with asyncio.timeout(60.0):
        while True:
            try:
                return await evidence.bill(connection, api, account.account_id)
            except SandboxError:
                await asyncio.sleep(0.5)


async def _journal(sandbox: Sandbox) -> list[bytes]:
    """Read the product's journal with its archives; the product may be moving a file at this moment."""
    async with asyncio.timeout(30.0):
        while True:
            try:
                return list(evidence.lines(sandbox.asterisk.journal.parent))
            except (OSError, EOFError):
                await asyncio.sleep(0.1)


@contextmanager
def _small_disk(journal: Path, say: Say) -> Iterator[bool]:
    """Mount a disk for the journal, small enough to be filled. Yields False if that is not allowed: it takes root."""
    journal.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=750", "tmpfs", str(journal)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        say("no small disk may be mounted here (that takes root): the fault of a full disk is left out")
    try:
        yield mounted.returncode == 0
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", str(journal)], capture_output=True, check=False)


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--seed", type=int, nargs="+", help="do the runs of these seeds (one new random seed)")
    which.add_argument("--seeds", type=int, metavar="N", help="do N runs, each of a new random seed")
    parser.add_argument("--together", type=int, default=1, metavar="N", help="do up to N runs side by side (1)")
    parser.add_argument("--short", action="store_true", help="a run of two minutes, as in `make test`")
    parser.add_argument("--seconds", type=float, help="how long new callers arrive in a run (1440)")
    parser.add_argument("--rate", type=float, help="new callers a second (3)")
    parser.add_argument("--pace", type=float, default=1.0, help="how many times as many faults (1)")
    parser.add_argument("--calm", type=float, help="seconds at the start in which Asterisk is left alone (75)")
    parser.add_argument(
        "--only", nargs="+", metavar="WORD", help="only kinds of fault with one of these words in their name, as DAEMON"
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the findings to this Markdown file")
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="keep journal, ledger, logs and faults of every run here (default: only of a run with a violation, in a "
        "temporary folder that is printed)",
    )
    return parser


def _seeds(chosen: argparse.Namespace) -> list[int]:
    if chosen.seed is not None:
        return list(chosen.seed)
    return [secrets.randbelow(10**6) for _ in range(chosen.seeds or 1)]


def _repeat(seed: int, profile: Profile, chosen: argparse.Namespace) -> str:
    """The options that plan this run again."""
    words = [f"--seed {seed}", *(["--short"] if chosen.short else [])]
    words += [f"--seconds {profile.duration_s}", f"--rate {profile.rate}", f"--pace {chosen.pace}"]
    words += [f"--calm {chosen.calm}"] if chosen.calm is not None else []
    return " ".join([*words, *(["--only", *chosen.only] if chosen.only else [])])


def _one(seed: int, profile: Profile, keep: Path | None) -> Findings:
    """Do one run, in a process of its own, and print how it goes."""
    # As Ctrl-C, which asyncio turns into the end of the run alone: what tidies up goes on.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))

    def say(text: str) -> None:
        print("\n".join(f"[{seed}] {line}" for line in text.splitlines()), flush=True)

    with tempfile.TemporaryDirectory(prefix="bridge-faults-") as folder:
        findings = asyncio.run(run(seed, profile, Path(folder), say, keep))
    violations = findings.verdict.violations
    if len(violations) <= 10:
        for uniqueid in dict.fromkeys(violation.uniqueid for violation in violations if violation.uniqueid):
            say("\n".join(_lines_of(findings.witness, uniqueid)))
    if violations:
        say(report.complaints(violations))
    return findings


def _all(
    seeds: Sequence[int], profile: Profile, chosen: argparse.Namespace
) -> tuple[dict[int, Findings], dict[int, str]]:
    """Do all runs. Returns their findings, and the errors of those that did not come to their end."""
    found: dict[int, Findings] = {}
    failed: dict[int, str] = {}
    with multiprocessing.get_context("spawn").Pool(chosen.together, maxtasksperchild=1) as pool:
        runs = {
            seed: pool.apply_async(_one, (seed, profile, chosen.keep and chosen.keep / f"seed-{seed}"))
            for seed in seeds
        }
        try:
            for seed, run in runs.items():
                try:
                    found[seed] = run.get()
                except Exception as error:
                    # The other seeds are run all the same: together they take hours.
                    traceback.print_exception(error)
                    failed[seed] = repr(error)
        except KeyboardInterrupt:
            # SIGTERM to each run: it tidies up and ends.
            pool.terminate()
            pool.join()
            sys.exit("interrupted; nothing is left running")
    return found, failed


def main() -> None:
    chosen = _parser().parse_args()
    seeds, profile = _seeds(chosen), _profile(chosen)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    # Once, before runs side by side would each install what is missing.
    system.ensure(system.for_callers(), print)
    again = {seed: _repeat(seed, profile, chosen) for seed in seeds}
    for number, seed in enumerate(seeds, 1):
        print(f'run {number} of {len(seeds)}; to repeat it: make faults ARGS="{again[seed]}"', flush=True)
    found, failed = _all(seeds, profile, chosen)
    runs = [Run(seed, again[seed], one.verdict, one.troubles) for seed, one in found.items()]
    versions = {"Asterisk": one.asterisk, "Postgres": one.postgres} if (one := next(iter(found.values()), None)) else {}
    if runs:
        print(report.table(runs))
    for seed, error in failed.items():
        print(f"  FAILED: the run of seed {seed} did not come to its end: {error}")
    about: dict[str, str | int | float] = {
        "seeds": ", ".join(map(str, seeds)),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seconds of a run": profile.duration_s,
        "callers a second": profile.rate,
        "faults as against usual": chosen.pace,
        **versions,
        "Python": sys.version.split()[0],
        "cores": os.cpu_count() or 0,
    }
    if chosen.report and failed:
        print(f"{chosen.report} is left as it is, since not every run came to its end")
    elif chosen.report:
        chosen.report.parent.mkdir(exist_ok=True)
        chosen.report.write_text(report.page(runs, about))
    figures = report.figures(runs, seeds, failed)
    print(json.dumps({**figures, "cores": os.cpu_count(), "seconds": profile.duration_s}))
    sys.exit(1 if failed or any(run.verdict.violations for run in runs) else 0)


if __name__ == "__main__":
    main()
