"""Wrong API keys over HTTP: counted, answered with 429 beyond a burst, and no harm to valid keys."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient
from structlog.testing import capture_logs

from bridge import telemetry
from bridge.api import server
from bridge.domain.access.principal import Principal
from bridge.domain.access.wrong_keys import WrongKeys
from bridge.storage.access.api_keys import PostgresApiKeys
from tests.api.conftest import Api, Served, World, services
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms

PATH = "/v1/accounts"
UNKNOWN = "bk_" + "A" * 43
BURST = 3


class SlowKeys(PostgresApiKeys):
    """Notes how many keys are looked up at once."""

    now = most = 0

    async def principal(self, digest: bytes) -> Principal | None:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return await super().principal(digest)
        finally:
            self.now -= 1


@pytest.fixture
def looked_up(world: World) -> SlowKeys:
    return SlowKeys(world.database)


@pytest.fixture
async def api(world: World, directory: FakeFreshness, rooms: FakeLiveRooms, looked_up: SlowKeys) -> AsyncIterator[Api]:
    counts = WrongKeys(BURST, refill_s=3600.0)
    app = server.application(services(world, directory, rooms, wrong_keys=counts, api_keys=looked_up))
    async with TestClient(Served(app)) as client:
        yield Api(client)


def counted() -> dict[str, float]:
    results = ("valid", "missing", "wrong", "throttled")
    return {result: telemetry.API_KEYS.labels(result)._value.get() for result in results}


@pytest.mark.parametrize("wrong", [UNKNOWN, "no key of ours"])
async def test_beyond_a_burst_wrong_keys_have_to_wait_and_valid_ones_do_not(api: Api, wrong: str) -> None:
    before = counted()
    made = await api.post("/v1/api-keys", {"name": "billing", "scope": "operator"})
    guesser = api.with_key(wrong)
    with capture_logs() as logs:
        for _ in range(BURST):
            await guesser.refused(401, "GET", PATH)
        for _ in range(4):
            answer = await guesser("GET", PATH)
            assert (answer.status, answer.body["title"]) == (429, "Too many requests")
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert 3000 <= int(answer.headers["Retry-After"]) <= 3600
            assert "WWW-Authenticate" not in answer.headers
    [burst] = [line for line in logs if line["event"] == "wrong_api_keys"]
    assert (burst["address"], burst["log_level"]) == ("127.0.0.1", "warning")
    assert wrong not in str(logs)
    assert await api.get(PATH)
    assert await api.with_key(made["key"]).get(PATH)
    seen = {result: number - before[result] for result, number in counted().items()}
    assert seen == {"valid": 3, "missing": 0, "wrong": BURST, "throttled": 4}


async def test_requests_without_a_key_are_no_guesses(api: Api) -> None:
    before = counted()
    for sent in ("", "Bearer", "Bearer ", "Basic b3A6b3A=") * 2:
        answer = await api("GET", PATH, headers={"Authorization": sent})
        assert answer.status == 401
    await api.with_key(UNKNOWN).refused(401, "GET", PATH)
    assert counted()["missing"] - before["missing"] == 8


async def test_guesses_are_looked_up_one_at_a_time(api: Api, looked_up: SlowKeys) -> None:
    guesser = api.with_key(UNKNOWN)
    for _ in range(BURST):
        await guesser.refused(401, "GET", PATH)
    looked_up.most = 0
    await asyncio.gather(*(guesser.refused(429, "GET", PATH) for _ in range(20)))
    assert looked_up.most == 1
