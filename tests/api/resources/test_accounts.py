"""/v1/accounts: changed by permitted keys only, closed, and deleted only when empty."""

from typing import Any

from tests.api.conftest import Api

NEW = {"name": "Hale", "currency": "EUR", "time_zone": "Europe/Berlin"}


async def key_of(api: Api, account: Any) -> Api:
    made = await api.post("/v1/api-keys", {"scope": "account", "account_id": account["id"], "name": "k"})
    return api.with_key(made["key"])


async def test_an_account_with_limits_and_a_space_of_its_own(api: Api) -> None:
    told = {**NEW, "code_space": "own", "max_callers": 30, "labels": {"reseller": "north"}}
    made = await api.post("/v1/accounts", told)
    assert told.items() <= made.items()
    problem = await api.refused(422, "PATCH", f"/v1/accounts/{made['id']}", {"code_space": "shared"})
    assert problem["errors"][0]["pointer"] == "/code_space"


async def test_a_tenant_changes_its_name_and_labels_alone(api: Api, account: Any) -> None:
    path = f"/v1/accounts/{account['id']}"
    own = await key_of(api, account)
    changed = await own("PATCH", path, {"name": "Hale & Co", "labels": {"a": "b"}})
    assert (changed.status, changed.body["name"]) == (200, "Hale & Co")
    for more in ({"state": "suspended"}, {"max_callers": 900}, {"currency": "USD"}):
        await own.refused(403, "PATCH", path, {"name": "x", **more})
    assert (await own.get("/v1/accounts"))["items"] == [changed.body]
    await own.refused(403, "DELETE", path)
    suspended = await api("PATCH", path, {"state": "suspended", "max_callers": 9})
    assert (suspended.body["state"], suspended.body["max_callers"]) == ("suspended", 9)
    assert (await api("PATCH", path, {"max_callers": None})).body["max_callers"] is None


async def test_the_currency_is_settled_with_the_first_price(api: Api, account: Any) -> None:
    path = f"/v1/accounts/{account['id']}"
    changed = await api("PATCH", path, {"currency": "usd", "time_zone": "America/New_York"})
    assert (changed.body["currency"], changed.body["time_zone"]) == ("USD", "America/New_York")
    await api.post(
        "/v1/tariffs",
        {"account_id": account["id"], "effective_from": "2026-01-01T00:00:00Z", "per_minute": "0.05"},
    )
    for settled in ({"currency": "EUR"}, {"time_zone": "UTC"}):
        assert "tariff" in (await api.refused(409, "PATCH", path, settled))["detail"]
    await api.refused(422, "PATCH", path, {"time_zone": "Mars/Olympus"})
    assert "tariff" in (await api.refused(409, "DELETE", path))["detail"]


async def test_a_closed_account_stays_closed(api: Api, account: Any, sub_account: Any) -> None:
    path = f"/v1/accounts/{account['id']}"
    assert (await api("PATCH", path, {"state": "closed"})).status == 200
    await api.refused(409, "PATCH", path, {"state": "active"})
    await api.refused(409, "POST", f"{path}/sub-accounts", {"user_id": "2", "name": "x"})
    room = sub_account["rooms"][0]["id"]
    assert {code["state"] for code in await api.all(f"/v1/rooms/{room}/passcodes")} == {"revoked"}


async def test_only_an_empty_one_is_deleted(api: Api, account: Any, sub_account: Any) -> None:
    problem = await api.refused(409, "DELETE", f"/v1/accounts/{account['id']}")
    assert "sub-accounts" in problem["detail"]
    empty = await api.post("/v1/accounts", NEW)
    await key_of(api, empty)
    path = f"/v1/accounts/{empty['id']}"
    await api.refused(412, "DELETE", path, headers={"If-Match": '"7"'})
    assert (await api("DELETE", path)).status == 204
    await api.refused(404, "GET", path)
