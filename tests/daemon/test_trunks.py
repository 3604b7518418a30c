"""Trunks follow Postgres into Asterisk's files, and Asterisk loads them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from bridge.asterisk.ari.client import Ari, ari_connection
from bridge.asterisk.config import trunks as trunk_config
from bridge.asterisk.config.trunks import TrunkFiles
from bridge.daemon import trunks
from bridge.daemon.trunks import TrunkKeeper
from bridge.domain.errors import BridgeError, Unavailable
from bridge.domain.provisioning.node_sip import NodeSip
from bridge.domain.provisioning.trunk import Dtmf, Transport, Trunk
from bridge.usecases.provisioning.ports import SealedTrunk
from tests.asterisk.ari import fake_ari
from tests.asterisk.ari.fake_ari import FakeAri


class Tenants:
    """The trunks of a Postgres that may be away."""

    def __init__(self) -> None:
        self.trunks: list[SealedTrunk] = []
        self.away = False

    async def sealed_trunks(self) -> list[SealedTrunk]:
        if self.away:
            raise Unavailable("Postgres is away")
        return self.trunks


def unseal(sealed: bytes) -> str:
    if sealed == b"of another key":
        raise BridgeError("this was sealed under another BRIDGE_PASSCODE_KEY")
    return sealed.decode()


def sealed(password: bytes | None = None, **about: Any) -> SealedTrunk:
    found = Trunk(uuid4(), "acme", datetime.now(UTC), has_password=password is not None, **about)
    return SealedTrunk(found, password)


class World:
    """A keeper at work, with a fake Asterisk that loads whatever stands in the file."""

    def __init__(self, wire: FakeAri, folder: Path) -> None:
        self.wire, self.folder, self.tenants, self.changed = wire, folder, Tenants(), asyncio.Event()
        self.keeper = TrunkKeeper(
            self.tenants,  # type: ignore[arg-type]
            unseal,
            TrunkFiles(folder),
            NodeSip((), frozenset({"udp", "tcp"})),
            self.changed,
        )

    def load(self) -> None:
        """Have Asterisk know the trunks that Postgres has."""
        names = [{"resource": str(each.trunk.id)} for each in self.tenants.trunks]
        self.wire.answers["endpoints/PJSIP"] = (200, names)

    @property
    def text(self) -> str:
        path = self.folder / trunk_config.TRUNKS
        return path.read_text() if path.exists() else ""

    def asked(self, method: str, uri: str) -> int:
        return sum((each[0], each[1]) == (method, uri) for each in self.wire.requests)

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(10):
            while not holds():
                await asyncio.sleep(0.01)


@pytest.fixture
async def session() -> AsyncIterator[tuple[FakeAri, Ari]]:
    async with fake_ari.running() as (wire, login), ari_connection(login) as ari:

        async def read() -> None:
            async for _ in ari.events():
                pass

        reading = asyncio.create_task(read())
        yield wire, ari
        reading.cancel()


async def kept(world: World, ari: Ari) -> asyncio.Task[None]:
    return asyncio.create_task(world.keeper.keep(ari))


async def test_a_change_is_written_and_loaded_and_nothing_is_loaded_without(
    session: tuple[FakeAri, Ari], tmp_path: Path
) -> None:
    wire, ari = session
    world = World(wire, tmp_path / "trunks")
    world.load()
    task = await kept(world, ari)
    await world.until(lambda: world.asked("PUT", "asterisk/modules/res_pjsip.so") == 1)
    world.tenants.trunks.append(sealed(addresses=("192.0.2.7",)))
    world.load()
    world.changed.set()
    await world.until(lambda: world.asked("PUT", "asterisk/modules/res_pjsip_outbound_registration.so") == 2)
    assert f"[{world.tenants.trunks[0].trunk.id}](incoming)" in world.text
    asked = world.asked("GET", "endpoints/PJSIP")
    world.changed.set()
    await world.until(lambda: world.asked("GET", "endpoints/PJSIP") > asked)
    assert world.asked("PUT", "asterisk/modules/res_pjsip.so") == 2
    task.cancel()


async def test_what_asterisk_does_not_load_is_told_and_tried_again(
    session: tuple[FakeAri, Ari], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trunks, "LOADING_LOOKS", 2)
    monkeypatch.setattr(trunks, "RETRY_S", 0.05)
    wire, ari = session
    world = World(wire, tmp_path / "trunks")
    world.load()
    world.tenants.trunks.append(sealed(addresses=("192.0.2.7",)))
    with capture_logs() as logs:
        task = await kept(world, ari)
        await world.until(lambda: any("did not load" in str(each.get("error")) for each in logs))
    loads = world.asked("PUT", "asterisk/modules/res_pjsip.so")
    await world.until(lambda: world.asked("PUT", "asterisk/modules/res_pjsip.so") > loads)
    world.load()
    with capture_logs() as logs:
        await world.until(lambda: world.asked("GET", "endpoints/PJSIP") > loads)
    task.cancel()
    assert not [each for each in logs if "did not load" in str(each.get("error"))]


async def test_while_postgres_is_away_the_files_stay(
    session: tuple[FakeAri, Ari], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trunks, "RETRY_S", 0.05)
    wire, ari = session
    world = World(wire, tmp_path / "trunks")
    world.tenants.away = True
    (tmp_path / "trunks").mkdir()
    (tmp_path / "trunks" / trunk_config.TRUNKS).write_text("; as before\n")
    world.load()
    with capture_logs() as logs:
        task = await kept(world, ari)
        await world.until(lambda: any("Postgres is away" in str(each.get("error")) for each in logs))
    assert world.text == "; as before\n"
    world.tenants.away = False
    await world.until(lambda: world.text != "; as before\n")
    task.cancel()


async def test_sip_info_is_loaded_for_a_trunk_that_wants_it_and_dropped_after_it(
    session: tuple[FakeAri, Ari], tmp_path: Path
) -> None:
    wire, ari = session
    module = f"asterisk/modules/{trunk_config.INFO}"
    wire.answers[module] = (404, None)
    world = World(wire, tmp_path / "trunks")
    world.tenants.trunks.append(sealed(addresses=("192.0.2.7",), dtmf=Dtmf.INFO))
    world.load()
    task = await kept(world, ari)
    await world.until(lambda: world.asked("POST", module) == 1)
    wire.answers[module] = (200, {"name": trunk_config.INFO, "status": "Running"})
    world.tenants.trunks.clear()
    world.load()
    world.changed.set()
    await world.until(lambda: world.asked("DELETE", module) == 1)
    task.cancel()


async def test_trouble_with_one_trunk_is_told_and_the_others_work(session: tuple[FakeAri, Ari], tmp_path: Path) -> None:
    wire, ari = session
    world = World(wire, tmp_path / "trunks")
    registering = {"registrar": "sip.example", "username": "u"}
    world.tenants.trunks += [
        sealed(b"of another key", **registering),
        sealed(b"s3cret", transport=Transport.TLS, **registering),
        sealed(b"s3cret-of-the-good-one", **registering),
    ]
    world.load()
    with capture_logs() as logs:
        task = await kept(world, ari)
        await world.until(lambda: any(each["event"] == "trunks_loaded" for each in logs))
    assert [each["event"] for each in logs if "sealed" in each["event"]] == ["trunk_password_sealed"]
    assert any("BRIDGE_SIP_TLS_BIND" in str(each.get("error")) for each in logs)
    assert world.text.count("type = registration") == 1
    assert "s3cret" not in str(logs)
    task.cancel()
