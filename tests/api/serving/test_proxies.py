"""Requests through proxies: the client's address counts in the log, in the audit log, and for wrong keys."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp.test_utils import TestClient
from structlog.testing import capture_logs

from bridge.api import server
from bridge.domain.access import client_address
from bridge.domain.access.client_address import Network
from bridge.domain.access.wrong_keys import WrongKeys
from tests.api.conftest import Api, Served, World, services
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms

HERE = client_address.networks("127.0.0.0/8")
CLIENT, OTHER, FORGED = "198.51.100.9", "198.51.100.10", "203.0.113.5"
NEW = {"name": "billing", "scope": "operator"}


@asynccontextmanager
async def served(world: World, trusted: Sequence[Network]) -> AsyncIterator[Api]:
    given = services(
        world, FakeFreshness(), FakeLiveRooms(), trusted_proxies=trusted, wrong_keys=WrongKeys(1, refill_s=3600.0)
    )
    async with TestClient(Served(server.application(given))) as client:
        yield Api(client)


@pytest.mark.parametrize(("trusted", "remote", "scheme"), [(HERE, CLIENT, "https"), ((), "127.0.0.1", "http")])
async def test_the_log_and_the_audit_log_name_the_client(
    world: World, trusted: Sequence[Network], remote: str, scheme: str
) -> None:
    headers = {"X-Forwarded-For": f"{FORGED}, {CLIENT}", "X-Forwarded-Proto": "https"}
    async with served(world, trusted) as api:
        with capture_logs() as logs:
            made = await api("POST", "/v1/api-keys", NEW, headers=headers)
        assert made.status == 201
        [deed] = await api.all("/v1/audit-log")
    assert deed["remote"] == remote
    [line] = [each for each in logs if each["event"] == "request"]
    assert (line["address"], line["scheme"]) == (remote, scheme)


async def test_wrong_keys_count_for_the_client_behind_a_proxy(world: World) -> None:
    async with served(world, HERE) as api:
        guesser = api.with_key("wrong")
        for forged in ("", f"{FORGED}, ", f"{OTHER}, "):
            answer = await guesser("GET", "/v1/accounts", headers={"X-Forwarded-For": forged + CLIENT})
            assert answer.status == (429 if forged else 401)
        await guesser.refused(401, "GET", "/v1/accounts", headers={"X-Forwarded-For": OTHER})


async def test_without_trusted_proxies_no_header_gives_a_guesser_another_address(world: World) -> None:
    async with served(world, ()) as api:
        guesser = api.with_key("wrong")
        await guesser.refused(401, "GET", "/v1/accounts", headers={"X-Forwarded-For": CLIENT})
        await guesser.refused(429, "GET", "/v1/accounts", headers={"X-Forwarded-For": OTHER})
