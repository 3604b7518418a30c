"""Webhooks by REST: owners, events, and secrets that are shown only once."""

from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from bridge.api import server
from bridge.domain.webhooks.retry import Reply
from bridge.storage.webhooks.deliveries import PostgresDeliveries
from bridge.usecases.webhooks.ports import ClaimLimits
from tests.api.conftest import Api, World, services
from tests.api.fake_freshness import FakeFreshness
from tests.api.fake_live_rooms import FakeLiveRooms

URL = "https://example.com/hook"


@pytest.fixture
async def tenant(api: Api, account: Any) -> Api:
    """A client with a key of the account."""
    key = await api.post("/v1/api-keys", {"scope": "account", "account_id": account["id"], "name": "tests"})
    return api.with_key(key["key"])


@pytest.fixture
async def hook(tenant: Api) -> Any:
    return await tenant.post("/v1/webhooks", {"url": URL, "label": "Books"})


async def test_the_life_of_a_webhook(tenant: Api, account: Any, hook: Any) -> None:
    assert hook["secret"].startswith("whsec_")
    assert (hook["account_id"], hook["events"], hook["state"]) == (account["id"], ["*"], "active")
    path = f"/v1/webhooks/{hook['id']}"
    read = await tenant("GET", path)
    assert read.headers["ETag"] == '"1"'
    assert read.body == {**hook, "secret": None}
    given = {"events": ["passcode.revoked"], "state": "paused"}
    changed = await tenant("PATCH", path, given, headers={"If-Match": '"1"'})
    assert (changed.status, changed.body["events"], changed.body["state"]) == (200, ["passcode.revoked"], "paused")
    assert (changed.body["label"], changed.body["version"]) == ("Books", 2)
    await tenant.refused(412, "PATCH", path, {"label": "x"}, headers={"If-Match": '"1"'})
    rotated = await tenant("POST", path + "/rotate-secret", {"overlap_s": 60})
    assert rotated.status == 200
    assert rotated.body["secret"].startswith("whsec_")
    assert rotated.body["secret"] != hook["secret"]
    await tenant.refused(412, "DELETE", path, headers={"If-Match": '"1"'})
    assert (await tenant("DELETE", path)).status == 204
    await tenant.refused(404, "GET", path)
    log = await tenant.all("/v1/audit-log", subject="webhook")
    assert [deed["action"].removeprefix("webhook.") for deed in log] == [
        "created",
        "updated",
        "secret_rotated",
        "deleted",
    ]
    assert URL not in str(log)
    assert "whsec_" not in str(log)


async def test_an_account_has_its_own_and_the_operator_all(api: Api, tenant: Api, account: Any, hook: Any) -> None:
    operators = await api.post("/v1/webhooks", {"url": URL})
    assert operators["account_id"] is None
    theirs = await api.post("/v1/webhooks", {"url": URL, "account_id": account["id"]})
    assert [each["id"] for each in await tenant.all("/v1/webhooks", limit=1)] == [hook["id"], theirs["id"]]
    assert len(await api.all("/v1/webhooks")) == 3
    assert len(await api.all("/v1/webhooks", account_id=account["id"])) == 2
    await tenant.refused(404, "GET", f"/v1/webhooks/{operators['id']}")
    await tenant.refused(404, "POST", f"/v1/webhooks/{operators['id']}/test")
    other = await api.post("/v1/accounts", {"name": "Other", "currency": "EUR", "time_zone": "UTC"})
    await tenant.refused(404, "POST", "/v1/webhooks", {"url": URL, "account_id": other["id"]})


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "http://example.com"}, "/url"),
        ({"url": "https://10.0.0.1/"}, "/url"),
        ({"url": "https://user:word@example.com/"}, "/url"),
        ({"url": "https://example.com/" + "x" * 2000}, "/url"),
        ({"url": URL, "events": []}, "/events"),
        ({"url": URL, "events": ["no.such"]}, "/events"),
        ({"url": URL, "events": ["*", "passcode.created"]}, "/events"),
        ({"url": URL, "label": "a\nb"}, "/label"),
        ({"url": URL, "secret": "mine"}, "/secret"),
        ({}, "/url"),
    ],
)
async def test_what_is_refused(tenant: Api, body: Any, pointer: str) -> None:
    problem = await tenant.refused(422, "POST", "/v1/webhooks", body)
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


async def test_twenty_are_enough(tenant: Api) -> None:
    for _ in range(20):
        await tenant.post("/v1/webhooks", {"url": URL})
    await tenant.refused(409, "POST", "/v1/webhooks", {"url": URL})


async def test_a_ping_and_its_redelivery(world: World, tenant: Api, hook: Any) -> None:
    sent = await tenant.post(f"/v1/webhooks/{hook['id']}/test", None)
    assert (sent["event"], sent["state"], sent["payload"]["type"]) == ("ping", "pending", "ping")
    await tenant.refused(409, "POST", f"/v1/webhook-deliveries/{sent['id']}/redeliver")
    deliveries = PostgresDeliveries(world.database)
    [attempt] = (await deliveries.claim(ClaimLimits(10, 8, 10))).attempts
    assert attempt.url == URL
    await deliveries.settle(attempt, Reply(204), None)
    read = await tenant.get(f"/v1/webhook-deliveries/{sent['id']}")
    assert (read["state"], read["status"], read["attempts"], read["next_at"]) == ("delivered", 204, 1, None)
    again = await tenant.post(f"/v1/webhook-deliveries/{sent['id']}/redeliver", None)
    assert (again["event_id"], again["state"]) == (sent["event_id"], "pending")
    path = f"/v1/webhooks/{hook['id']}/deliveries"
    assert [each["id"] for each in await tenant.all(path, limit=1)] == [again["id"], sent["id"]]
    assert [each["id"] for each in await tenant.all(path, state="delivered")] == [sent["id"]]
    assert await tenant.all(path, event="passcode.created") == []
    await tenant("PATCH", f"/v1/webhooks/{hook['id']}", {"state": "paused"})
    await tenant.refused(409, "POST", f"/v1/webhooks/{hook['id']}/test")


async def test_an_operator_may_allow_their_own_network(
    world: World, directory: FakeFreshness, rooms: FakeLiveRooms
) -> None:
    given = services(world, directory, rooms, private_webhooks=True)
    async with TestClient(TestServer(server.application(given))) as client:
        made = await Api(client).post("/v1/webhooks", {"url": "http://127.0.0.1:9/hook"})
        changed = await Api(client)("PATCH", f"/v1/webhooks/{made['id']}", {"url": "http://10.0.0.1/"})
    assert (changed.status, changed.body["url"]) == (200, "http://10.0.0.1/")


async def test_what_is_provisioned_is_told_as_rest_tells_it(world: World, api: Api, tenant: Api, account: Any) -> None:
    hook = await tenant.post("/v1/webhooks", {"url": URL})
    made = await api.post(f"/v1/accounts/{account['id']}/sub-accounts", {"user_id": "1001", "name": "Ada Hale"})
    path, told = f"/v1/sub-accounts/{made['id']}", []

    async def changed(body: Any) -> Any:
        answer = await tenant("PATCH", path, body)
        assert answer.status == 200, answer
        return await tenant.get(path)

    read = [await tenant.get(path), await changed({"cost_centre": "4711"})]
    read += [await changed({"state": "suspended"}), await changed({"state": "active"})]
    await changed({"cost_centre": "4711"})
    [host, guest] = made["rooms"][0]["passcodes"]
    new = await tenant.post(f"/v1/passcodes/{guest['id']}/rotate", {})
    listed = await tenant.post(f"/v1/rooms/{made['rooms'][0]['id']}/passcodes", {"role": "listener"})
    await tenant("DELETE", f"/v1/passcodes/{listed['id']}")
    await tenant("DELETE", f"/v1/passcodes/{listed['id']}")
    refused = await tenant("PATCH", path, {"user_id": ""})
    assert refused.status == 422
    read.append(await changed({"state": "closed"}))
    log = await tenant.all(f"/v1/webhooks/{hook['id']}/deliveries", limit=500)
    told = [one["payload"] for one in reversed(log)]
    assert [one["type"] for one in told[:6]] == [
        *("sub_account.created", "passcode.created", "passcode.created"),
        *("sub_account.updated", "sub_account.suspended", "sub_account.resumed"),
    ]
    assert [(one["type"], one["data"]["id"]) for one in told[6:10]] == [
        ("passcode.rotated", new["id"]),
        ("passcode.revoked", guest["id"]),
        ("passcode.created", listed["id"]),
        ("passcode.revoked", listed["id"]),
    ]
    assert sorted((one["type"], one["data"]["id"]) for one in told[10:12]) == sorted(
        ("passcode.revoked", each["id"]) for each in (host, new)
    )
    assert [one["type"] for one in told[12:]] == ["sub_account.closed"]
    subjects = [one["data"] for one in told if one["type"].startswith("sub_account.")]
    assert subjects == [without_secrets(one) for one in read]
    assert told[6]["data"] == without_secrets(await tenant.get(f"/v1/passcodes/{new['id']}")) | {
        name: told[6]["data"][name] for name in ("state", "version", "revoked_at")
    }
    for each in (host, guest, new, listed):
        assert each["digits"] not in str(told)


def without_secrets(answer: Any) -> Any:
    """A response without digits, PINs and warnings, which webhooks do not carry."""
    match answer:
        case dict():
            kept = answer.keys() - {"digits", "pin", "warnings"}
            return {name: without_secrets(answer[name]) for name in kept}
        case list():
            return [without_secrets(one) for one in answer]
        case _:
            return answer
