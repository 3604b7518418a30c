"""Probes and metrics: served on their own address alone, without a key."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from bridge.api import probes
from tests.api.conftest import Api

PATHS = ("/healthz", "/readyz", "/metrics")


async def test_each_probe_answers_without_a_key_and_readiness_names_what_is_unwell() -> None:
    parts = {"ari": (True, "connected")}
    async with (
        probes.serving(lambda: parts, "127.0.0.1", 0) as (host, port),
        aiohttp.ClientSession(f"http://{host}:{port}") as client,
    ):
        for path in PATHS:
            async with client.get(path) as answer:
                assert (answer.status, answer.headers["Server"]) == (200, "bridge")
        async with client.get("/metrics") as answer:
            assert "bridge_dialogues" in await answer.text()
        parts["ami"] = (False, "no AMI at 127.0.0.1:5038")
        async with client.get("/readyz") as answer:
            assert answer.status == 503
            assert await answer.json() == {
                "ari": {"ok": True, "detail": "connected"},
                "ami": {"ok": False, "detail": "no AMI at 127.0.0.1:5038"},
            }


@pytest.mark.parametrize("path", ["/", "/openapi.json", "/docs", "/v1/accounts"])
async def test_nothing_of_rest_is_served_beside_them(path: str) -> None:
    async with TestClient[web.Request, web.Application](TestServer(probes.application(dict))) as client:
        answer = await client.get(path)
        assert (answer.status, (await answer.json())["status"]) == (404, 404)


@pytest.mark.parametrize("path", PATHS)
async def test_on_the_address_of_rest_they_are_unknown_paths(api: Api, path: str) -> None:
    problem = await api.refused(404, "GET", path)
    assert problem == await api.refused(404, "GET", "/no-such-path")


async def test_the_openapi_document_stays_on_rest_without_a_key(api: Api) -> None:
    async with api.client.get("/openapi.json") as answer:
        assert answer.status == 200
        assert not set(PATHS) & set((await answer.json())["paths"])
