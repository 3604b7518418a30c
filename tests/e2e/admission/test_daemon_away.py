"""Callers while the daemon is away, and a daemon that starts while Asterisk or Postgres is away."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridge.asterisk.ari import client, events
from bridge.asterisk.ari.client import AriUnreachable
from bridge.asterisk.ari.liveness import ECHO_TIMEOUT_S, EVENT_NAME, LivenessCheck
from bridge.sandbox.callers import calls, media
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.company import Company
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.errors import SandboxError
from bridge.sandbox.host import ports
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.e2e.watching import closed, journal, journaled, until


@pytest.fixture
def daemon_back(sandbox: Sandbox) -> Iterator[None]:
    """Start the daemon again after a test that stops it."""
    try:
        yield
    finally:
        sandbox.up()


async def test_a_caller_without_a_daemon_hears_music_and_is_then_served(
    sandbox: Sandbox, api: Rest, firm: Company, daemon_back: None
) -> None:
    sandbox.kill("daemon")
    who = SipCaller(ACCESS_NUMBER, stay=60.0, records=True)
    async with calls.start(who, sandbox.sip_address) as call:
        await call.answered()

        async def seconds() -> float:
            return len(call.heard) / 8000

        await until(seconds, lambda heard: heard > 3.0)
        music = np.asarray(media.linear(bytes(call.heard)), dtype=np.float64)
        assert np.sqrt(np.mean(music**2)) > 50
        await asyncio.to_thread(sandbox.up)
        # What is keyed into the music is lost; the dialogue marks a call that was answered before.
        await until(await _channel_shown(sandbox, call.log.call_id), lambda text: "BRIDGE_OUTCOME=abandoned" in text)
        await call.key(firm.members[0].digits["host"])
        await until(lambda: api.all("/v1/minutes", account_id=firm.id, state="open"), bool)
        await call.hang_up()
    assert len(await closed(api, firm.id, 1)) == 1


async def test_a_caller_whom_nobody_serves_is_told_to_call_later(sandbox: Sandbox, daemon_back: None) -> None:
    sandbox.kill("daemon")
    who = SipCaller(ACCESS_NUMBER, stay=60.0, hangs_up="far end")
    [log] = await calls.place([who], sandbox.sip_address, patience=20.0)
    assert log.ended_by == "far end"
    patience = float(sandbox.environment["BRIDGE_PATIENCE"])
    assert patience < log.seconds < patience + 10
    ended = await journaled(sandbox, "ENDED", log.call_id)
    assert ended["appdata"].startswith("ENDED,unserved:")


async def test_a_caller_in_the_prompt_is_greeted_again_with_tries_kept(
    sandbox: Sandbox, firm: Company, daemon_back: None
) -> None:
    who = SipCaller(ACCESS_NUMBER, (Digits("1111#", 0.3),), stay=60.0, hangs_up="far end")
    async with calls.start(who, sandbox.sip_address) as call:
        await call.keyed()
        shown = await _channel_shown(sandbox, call.log.call_id)
        await until(shown, lambda text: "BRIDGE_TRIES=1" in text)
        sandbox.kill("daemon")
        await asyncio.to_thread(sandbox.up)
        # Two of the three tries are left.
        await call.key("2222#")
        await until(shown, lambda text: "BRIDGE_TRIES=2" in text)
        await call.key("3333#")
        await call.finished(20.0)
    assert call.log.ended_by == "far end"


async def _channel_shown(sandbox: Sandbox, call_id: str) -> Callable[[], Awaitable[str]]:
    """Return a function that reads what Asterisk shows of a call's channel, with its variables."""
    line = await journaled(sandbox, "CALLED", call_id)

    async def shown() -> str:
        return sandbox.asterisk.cli(f"core show channel {line['channame']}")

    return shown


async def test_talking_callers_notice_nothing_and_no_record_differs(
    sandbox: Sandbox, api: Rest, firm: Company, daemon_back: None
) -> None:
    who = SipCaller(ACCESS_NUMBER, (Digits(firm.members[0].digits["host"], 0.0),), stay=60.0)
    async with calls.start(who, sandbox.sip_address) as call:
        await until(lambda: api.all("/v1/minutes", account_id=firm.id, state="open"), bool)
        sandbox.kill("daemon")
        log = await call.hang_up()
    await asyncio.to_thread(sandbox.up)
    [record] = await closed(api, firm.id, 1)
    assert log.ended_at is not None
    assert (record["left_reason"], record["evidence"]) == ("hung_up", "measured")
    assert abs(record["duration_us"] / 1e6 - (log.ended_at.timestamp() - _joined(record))) < 0.2


def _joined(record: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(record["joined_at"]).timestamp()


@contextmanager
def second_daemon(sandbox: Sandbox, folder: Path, **changes: str) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """A daemon of its own node and ports beside the sandbox's, with some settings changed (or, if empty, missing)."""
    with ports.claim(2) as port:
        settings = {
            **sandbox.environment,
            "BRIDGE_NODE": "second",
            "BRIDGE_STATE_DIR": str(folder / "state"),
            "BRIDGE_JOURNAL": str(folder / "cel.jsonl"),
            "BRIDGE_API_ADDRESS": f"127.0.0.1:{port.first}",
            "BRIDGE_PROBES_ADDRESS": f"127.0.0.1:{port.first + 1}",
            **changes,
        }
        environment = {**os.environ, **{name: value for name, value in settings.items() if value}}
        for name, value in changes.items():
            if not value:
                environment.pop(name, None)
        log = folder / "log"
        with log.open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "bridge", "serve"],
                env=environment,
                stderr=out,
                stdout=out,
                text=True,
            )
        try:
            yield process, log
        finally:
            process.kill()
            process.wait()


async def said(log: Path, what: str, seconds: float = 20.0) -> str:
    async def read() -> str:
        return log.read_text()

    text = await until(read, lambda found: what in found, seconds)
    assert "Traceback" not in text
    return text


NOBODY = "127.0.0.1:9"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"BRIDGE_ARI_URL": f"http://{NOBODY}"}, f"no ARI at http://{NOBODY}"),
        ({"BRIDGE_AMI_ADDRESS": NOBODY}, f"no AMI at {NOBODY}"),
        ({"BRIDGE_AMI_PASSWORD": "wrongwrong"}, "BRIDGE_AMI_PASSWORD"),
        ({"BRIDGE_ARI_PASSWORD": "wrongwrong"}, "BRIDGE_ARI_PASSWORD"),
        ({"BRIDGE_DATABASE_URL": f"postgresql://someone:hidden@{NOBODY}/bridge"}, NOBODY),
    ],
    ids=["no ARI", "no AMI", "AMI password", "ARI password", "no Postgres"],
)
async def test_what_is_away_at_the_start_is_told_in_a_line_and_tried_again(
    sandbox: Sandbox, tmp_path: Path, changes: dict[str, str], what: str
) -> None:
    # The other daemon must not take over the sandbox's ARI application.
    away = {"BRIDGE_ARI_URL": f"http://{NOBODY}"} if "BRIDGE_ARI_PASSWORD" not in changes else {}
    with second_daemon(sandbox, tmp_path, **{**away, **changes}) as (process, log):
        text = await said(log, what)
        assert "hidden" not in text
        assert process.poll() is None
        [line] = [line for line in text.splitlines() if what in line][:1]
        assert json.loads(line)["level"] == "warning"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"BRIDGE_OPERATOR_KEY": ""}, "BRIDGE_OPERATOR_KEY is not set"),
        ({"BRIDGE_OPERATOR_KEY": "operator-key-2026"}, "BRIDGE_OPERATOR_KEY is malformed (it is weak"),
        ({"BRIDGE_PASSCODE_KEY": "short"}, "BRIDGE_PASSCODE_KEY is malformed"),
        ({"BRIDGE_NODE": "Not A Node"}, "BRIDGE_NODE is malformed"),
        ({"BRIDGE_DATABASE_URL": "mysql://nobody"}, "BRIDGE_DATABASE_URL"),
    ],
    ids=["missing key", "weak key", "short key", "malformed node", "another database"],
)
async def test_a_bad_setting_is_named_and_the_daemon_does_not_start(
    sandbox: Sandbox, tmp_path: Path, changes: dict[str, str], what: str
) -> None:
    with second_daemon(sandbox, tmp_path, **changes) as (process, log):
        assert await asyncio.to_thread(process.wait, 20) == 1
        assert what in await said(log, what)


@pytest.mark.parametrize("setting", ["BRIDGE_API_ADDRESS", "BRIDGE_PROBES_ADDRESS"])
async def test_a_port_in_use_is_named(sandbox: Sandbox, tmp_path: Path, setting: str) -> None:
    taken = sandbox.environment[setting]
    changes = {setting: taken, "BRIDGE_ARI_URL": f"http://{NOBODY}"}
    with second_daemon(sandbox, tmp_path, **changes) as (process, log):
        assert await asyncio.to_thread(process.wait, 20) == 1
        assert setting in await said(log, taken)


async def test_a_second_daemon_on_the_node_refuses_and_names_the_first(sandbox: Sandbox, tmp_path: Path) -> None:
    running = sandbox.process("daemon")
    assert running is not None
    with second_daemon(sandbox, tmp_path, BRIDGE_STATE_DIR=sandbox.environment["BRIDGE_STATE_DIR"]) as (process, log):
        assert await asyncio.to_thread(process.wait, 20) == 1
        await said(log, f"pid {running.pid}")


async def test_calls_that_another_connection_took_over_are_taken_back(
    sandbox: Sandbox, api: Rest, firm: Company
) -> None:
    """As when a link that was silent hands on late what the daemon had given up."""
    member, settings = firm.members[0], sandbox.environment
    login = client.AriLogin(settings["BRIDGE_ARI_URL"], "bridge", settings["BRIDGE_ARI_PASSWORD"])
    async with client.ari_connection(login) as thief:
        # Until the daemon has taken the calls back, which is told here.
        async with asyncio.timeout(10):
            async for event in thief.events():
                if isinstance(event, events.ApplicationReplaced):
                    break
    script = (Digits(member.digits["guest"], 0.5),)
    await calls.place([SipCaller(ACCESS_NUMBER, script, stay=1.0)], sandbox.sip_address)
    [record] = await closed(api, firm.id, 1)
    assert record["room_id"] == member.room_id


async def test_a_connection_that_answers_but_offers_no_calls_is_noticed(sandbox: Sandbox) -> None:
    """The daemon takes its application back from the thief, whose connection stays open."""
    settings = sandbox.environment
    login = client.AriLogin(settings["BRIDGE_ARI_URL"], "bridge", settings["BRIDGE_ARI_PASSWORD"])
    echo = LivenessCheck()
    async with client.ari_connection(login) as thief, asyncio.timeout(30):

        async def hear() -> None:
            replaced = False
            async for event in thief.events():
                replaced = replaced or isinstance(event, events.ApplicationReplaced)
                if isinstance(event, events.ChannelUserevent) and event.name == EVENT_NAME:
                    assert not replaced
                    echo.heard()

        hearing = asyncio.create_task(hear())
        with pytest.raises(AriUnreachable, match="offers no calls"):
            await echo.listen(thief)
        assert (await thief.request("GET", f"applications/{client.APPLICATION}"))["name"] == client.APPLICATION
        hearing.cancel()
    # The daemon hears its own, or it would lose the connection time and again.
    await until(lambda: asyncio.to_thread(sandbox.ready), bool)
    well_until = asyncio.get_running_loop().time() + 2 * ECHO_TIMEOUT_S
    while asyncio.get_running_loop().time() < well_until:
        assert await asyncio.to_thread(sandbox.ready)
        await asyncio.sleep(0.2)


async def test_a_killed_asterisk_bills_no_second_of_its_outage(
    sandbox: Sandbox, api: Rest, firm: Company, daemon_back: None
) -> None:
    who = SipCaller(ACCESS_NUMBER, (Digits(firm.members[0].digits["host"], 0.0),), stay=60.0)
    async with calls.start(who, sandbox.sip_address) as call:
        [record] = await until(lambda: api.all("/v1/minutes", account_id=firm.id, state="open"), bool)
        joined = _joined(record)
        await until(lambda: _beats_after(sandbox, joined), lambda beats: beats >= 2)
        sandbox.kill("asterisk")
        killed = time.time()
        call.vanish()
    with pytest.raises(SandboxError, match=rf"503.*{sandbox.environment['BRIDGE_NODE']}"):
        await until(lambda: api.get("/v1/conferences"), lambda _: False)
    await asyncio.sleep(5.0)
    await asyncio.to_thread(sandbox.up)
    assert (await api.get("/v1/conferences"))["unknown_nodes"] == []
    [record] = await closed(api, firm.id, 1)
    assert (record["left_reason"], record["evidence"]) == ("switch_lost", "estimated")
    left = joined + record["duration_us"] / 1e6
    assert killed - 1.5 <= left <= killed


async def _beats_after(sandbox: Sandbox, at: float) -> int:
    return sum(line["eventtype"] == "ALIVE" and float(line["eventtime"]) > at for line in journal(sandbox))
