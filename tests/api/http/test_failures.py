"""Failures of a part: the client learns what it can do, and nothing about the inside of the product."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import structlog
from aiohttp.test_utils import TestClient

from bridge.api import server
from bridge.api.http import execution
from bridge.domain.errors import BridgeError, Unavailable
from bridge.domain.provisioning.tenants import Account
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases import services as usecases
from bridge.usecases.provisioning.ports import Tenants
from tests.api.conftest import OPERATOR_KEY, Api, Served, World, services
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms

SECRET = "postgresql://bridge:hunter2@db"


class BrokenTenants(PostgresTenants):
    """Fails as it is told."""

    how: Exception | None = RuntimeError(SECRET)

    async def accounts(self, limit: int, after: UUID | None = None) -> list[Account]:
        if self.how is None:
            await asyncio.sleep(60)
            raise AssertionError
        raise self.how


@pytest.fixture
def tenants(world: World) -> Tenants:
    return BrokenTenants(world.database)


@pytest.fixture
async def broken(
    tenants: BrokenTenants, world: World, directory: FakeFreshness, rooms: FakeLiveRooms
) -> AsyncIterator[Api]:
    app = server.application(services(world, directory, rooms, tenants=tenants))
    async with TestClient(Served(app)) as client:
        yield Api(client)


PATH = "/v1/accounts"


async def test_postgres_away_means_later(broken: Api, tenants: BrokenTenants) -> None:
    tenants.how = Unavailable("Postgres at db can't be reached: is it running?")
    answer = await broken("GET", PATH)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert "Postgres" in answer.body["detail"]


@pytest.mark.parametrize("how", [RuntimeError(SECRET), BridgeError(SECRET), OverflowError(SECRET), KeyError(SECRET)])
async def test_what_nobody_foresaw_is_logged_once_and_not_told(
    broken: Api, tenants: BrokenTenants, how: Exception
) -> None:
    tenants.how = how
    with structlog.testing.capture_logs() as lines:
        problem = await broken.refused(500, "GET", PATH)
    assert SECRET not in json.dumps(problem)
    assert [line["event"] for line in lines] == ["request_failed", "request"]
    assert OPERATOR_KEY not in str(lines)


async def test_a_handler_that_hangs_is_given_up(
    broken: Api, tenants: BrokenTenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "HANDLER_S", 0.1)
    tenants.how = None
    problem = await broken.refused(503, "GET", PATH)
    assert "try again" in problem["detail"]


async def test_a_change_stands_even_if_this_node_cannot_learn_of_it(
    api: Api, directory: FakeFreshness, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await api.post("/v1/accounts", {"name": "x", "currency": "USD", "time_zone": "UTC"})
    monkeypatch.setattr(usecases, "CATCH_UP_S", 0.05)
    directory.hangs = True
    made = await api.post(f"/v1/accounts/{account['id']}/sub-accounts", {"user_id": "1", "name": "x"})
    assert made["rooms"][0]["passcodes"][0]["digits"]


async def test_the_log_has_one_line_a_request_and_no_secret(api: Api) -> None:
    with structlog.testing.capture_logs() as lines:
        account = await api.post("/v1/accounts", {"name": "Zebulon", "currency": "USD", "time_zone": "UTC"})
        path = f"/v1/accounts/{account['id']}/sub-accounts"
        made = await api.post(path, {"user_id": "1", "name": "Quentin"})
        await api.get("/v1/minutes", caller="4930123456")
        await api.refused(404, "GET", "/v1/nothing")
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/v1/accounts", 201),
        ("POST", "/v1/accounts/{account_id}/sub-accounts", 201),
        ("GET", "/v1/minutes", 200),
        ("GET", "none", 404),
    ]
    secrets = [passcode["digits"] for passcode in made["rooms"][0]["passcodes"]]
    for secret in (*secrets, OPERATOR_KEY, "Zebulon", "Quentin", "4930123456", account["id"]):
        assert secret not in str(lines)
