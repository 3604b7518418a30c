"""A softphone that nobody here wrote, over every transport: it logs in, joins, is heard, holds, mutes and leaves."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.sandbox.callers import calls
from bridge.sandbox.callers.calls import Digits, SipCaller
from bridge.sandbox.company import Company
from bridge.sandbox.environment import ACCESS_NUMBER
from bridge.sandbox.host import system
from bridge.sandbox.host.sockets import HAS_IPV6
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from tests.e2e.conftest import SETTINGS
from tests.e2e.trunks import softphone
from tests.e2e.trunks.conftest import AddTrunk
from tests.e2e.trunks.softphone import Account
from tests.e2e.watching import closed, until

SECRET = "long-enough-a-password"
TRUNK = "127.0.0.2"
"""The address of the unnamed trunk here: a softphone over TCP comes from 127.0.0.1, and must not be taken for it."""
TONE, OTHER_TONE = 440, 700
RATE = 8000


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    system.ensure(system.for_callers(), print)
    with tempfile.TemporaryDirectory(prefix="bridge-e2e-") as folder:
        made = Sandbox(Path(folder) / "s", print, settings={**SETTINGS, "BRIDGE_SIP_TRUNKS": TRUNK})
        try:
            made.up()
            yield made
        finally:
            made.remove()


def account(sandbox: Sandbox, trunk: dict[str, Any], way: str) -> Account:
    host, port = sandbox.sip_address.rsplit(":", 1)
    plain = Account(trunk["id"], SECRET, f"{host}:{port}")
    match way:
        case "tls":
            tls = f"{host}:{sandbox.environment['BRIDGE_SIP_TLS_BIND'].rsplit(':', 1)[1]}"
            certificate = sandbox.asterisk.tls / "certificate.pem"
            return replace(plain, target=tls, transport="tls", srtp=True, certificate=certificate)
        case "ipv6":
            return replace(plain, target=f"[::1]:{port}", local="[::1]")
        case _:
            return replace(plain, transport=way)


async def trunk_for(sandbox: Sandbox, add_trunk: AddTrunk, way: str) -> dict[str, Any]:
    if way == "tls":
        return await add_trunk(password=SECRET, transport="tls", srtp=True)
    return await add_trunk(password=SECRET, transport="udp" if way == "ipv6" else way)


@pytest.mark.parametrize("way", ["udp", "tcp", "tls"])
async def test_a_softphone_logs_in_joins_is_heard_holds_mutes_and_leaves(
    sandbox: Sandbox, api: Rest, firm: Company, add_trunk: AddTrunk, tmp_path: Path, way: str
) -> None:
    trunk = await trunk_for(sandbox, add_trunk, way)
    member = firm.members[0]
    other = SipCaller(
        ACCESS_NUMBER, (Digits(member.digits["host"]),), stay=120.0, tone=OTHER_TONE, records=True, local=TRUNK
    )
    async with (
        calls.start(other, sandbox.sip_address) as heard,
        softphone.running(tmp_path / "phone", account(sandbox, trunk, way), TONE) as phone,
    ):
        await phone.logs("1 binding")
        await phone.dial(ACCESS_NUMBER)
        for digit in member.digits["guest"]:
            await phone.command("sndcode", digit)
        await until(lambda: api.all("/v1/minutes", account_id=firm.id, state="open"), lambda found: len(found) == 2)

        async def of_phone() -> float:
            samples = calls.media.linear(bytes(heard.heard[-RATE:]))
            return softphone.level(softphone.np.asarray(samples, dtype=float), TONE)

        async def of_other() -> float:
            return softphone.level(phone.samples()[-RATE:], OTHER_TONE)

        await until(of_phone, lambda share: share > 0.3)
        await until(of_other, lambda share: share > 0.3)
        await phone.command("hold")
        await until(of_phone, lambda share: share < 0.01)
        await phone.command("resume")
        await until(of_phone, lambda share: share > 0.3)
        await phone.command("mute")
        await until(of_phone, lambda share: share < 0.01)
        await phone.command("mute")
        await until(of_phone, lambda share: share > 0.3)
        await phone.command("hangup")
        await heard.hang_up()
    records = {record["trunk_id"]: record for record in await closed(api, firm.id, 2)}
    assert records[trunk["id"]]["left_reason"] == "hung_up"
    assert records[trunk["id"]]["duration_us"] > 1_000_000


async def test_a_softphone_joins_over_ipv6(
    sandbox: Sandbox, api: Rest, firm: Company, add_trunk: AddTrunk, tmp_path: Path
) -> None:
    assert HAS_IPV6, "this machine has no address ::1"
    trunk = await add_trunk(addresses=["::1"])
    async with softphone.running(tmp_path / "phone", account(sandbox, trunk, "ipv6"), TONE) as phone:
        await phone.dial(ACCESS_NUMBER)
        for digit in firm.members[0].digits["guest"]:
            await phone.command("sndcode", digit)
        await until(lambda: api.all("/v1/minutes", account_id=firm.id, state="open"), bool)
        await phone.command("hangup")
    [record] = await closed(api, firm.id, 1)
    assert record["trunk_id"] == trunk["id"]


async def test_a_wrong_password_does_not_log_in(sandbox: Sandbox, add_trunk: AddTrunk, tmp_path: Path) -> None:
    trunk = await trunk_for(sandbox, add_trunk, "udp")
    wrong = replace(account(sandbox, trunk, "udp"), secret="not-the-password")
    async with softphone.running(tmp_path / "phone", wrong, TONE) as phone:
        await phone.logs("401 Unauthorized")
