"""/v1/trunks: SIP trunks, and the access numbers that come by them."""

from typing import Any

import pytest

from tests.api.conftest import NOBODY, Api, World

ADDRESSED = {"name": "acme", "addresses": ["192.0.2.7", "198.51.100.9/24"]}
REGISTERING = {"name": "easy", "registrar": "sip.example", "username": "u", "password": "s3cret-of-the-trunk"}


async def test_a_trunk_is_added_read_changed_and_deleted(api: Api) -> None:
    made = await api.post("/v1/trunks", ADDRESSED)
    assert made["addresses"] == ["192.0.2.7", "198.51.100.0/24"]
    assert (made["transport"], made["number_form"], made["dtmf"], made["max_calls"]) == ("udp", "e164", "auto", None)
    path = f"/v1/trunks/{made['id']}"
    assert await api.get(path) == made
    assert await api.all("/v1/trunks", 1) == [made]
    wanted = {"country": "de", "number_form": "national", "max_calls": 30, "codecs": ["g722", "alaw"], "name": "Acme"}
    changed = (await api("PATCH", path, wanted, headers={"If-Match": '"1"'})).body
    assert (changed["country"], changed["codecs"], changed["version"]) == ("DE", ["g722", "alaw"], 2)
    assert (await api("PATCH", path, {"name": "x"}, headers={"If-Match": '"1"'})).status == 412
    assert (await api("DELETE", path)).status == 204
    await api.refused(404, "GET", path)
    await api.refused(404, "PATCH", path, {"name": "x"})


async def test_a_password_is_sealed_and_never_shown(api: Api, world: World) -> None:
    made = await api.post("/v1/trunks", REGISTERING)
    assert made["has_password"]
    assert "password" not in made
    [sealed] = await world.tenants.sealed_trunks()
    assert sealed.password is not None
    assert b"s3cret" not in sealed.password
    path = f"/v1/trunks/{made['id']}"
    await api.refused(422, "PATCH", path, {"password": ""})
    same = (await api("PATCH", path, {"country": "DE"})).body
    assert same["has_password"]
    [after] = await world.tenants.sealed_trunks()
    assert after.password == sealed.password
    entries = await api.all("/v1/audit-log", 50)
    assert {entry["action"] for entry in entries} >= {"trunk.created", "trunk.changed"}
    assert "s3cret" not in str(entries)


async def test_callers_that_log_in_need_a_long_password(api: Api) -> None:
    problem = await api.refused(422, "POST", "/v1/trunks", {"name": "pbx", "password": "short"})
    assert "at least 12" in problem["detail"]
    made = await api.post("/v1/trunks", {"name": "pbx", "password": "long-enough-a-password"})
    assert (made["addresses"], made["registrar"], made["has_password"]) == ([], "", True)
    await api.refused(422, "PATCH", f"/v1/trunks/{made['id']}", {"password": "short"})
    other = await api.post("/v1/trunks", REGISTERING)
    path = f"/v1/trunks/{other['id']}"
    problem = await api.refused(422, "PATCH", path, {"registrar": ""})
    assert "give one that callers log in with" in problem["detail"]
    assert (await api("PATCH", path, {"registrar": "", "password": "long-enough-a-password"})).status == 200


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("addresses", {"addresses": []}),
        ("addresses", {"addresses": ["10.0.0.300"]}),
        ("addresses", {"addresses": ["0.0.0.0/0"]}),
        ("addresses", {"addresses": ["192.0.2.1", "2001:db8::1"]}),
        ("addresses", {"addresses": ["sip.example"]}),
        ("registrar", {"registrar": "sip example"}),
        ("username", {"registrar": "sip.example", "password": "x"}),
        ("password", {"registrar": "sip.example", "username": "u"}),
        ("password", {"registrar": "sip.example", "username": "u", "password": "a;b"}),
        ("country", {"country": "XX"}),
        ("prefix", {"prefix": "abc"}),
        ("codecs", {"codecs": []}),
        ("codecs", {"codecs": ["opus!"]}),
        ("media_networks", {"media_networks": ["x"]}),
        ("public_address", {"public_address": "here"}),
        ("srtp", {"srtp": True}),
        ("max_calls", {"max_calls": 0}),
        ("max_dialogues", {"max_dialogues": 1_000_000}),
        ("name", {"name": ""}),
        ("name", {"name": "a\u202eb"}),
    ],
)
async def test_a_bad_field_is_named(api: Api, field: str, bad: dict[str, Any]) -> None:
    problem = await api.refused(422, "POST", "/v1/trunks", {**ADDRESSED, **bad})
    assert any(each["pointer"].startswith(f"/{field}") for each in problem["errors"]), problem


async def test_a_name_of_any_characters_is_only_a_name(api: Api) -> None:
    made = await api.post("/v1/trunks", {**ADDRESSED, "name": "%5C %0A ${SHELL(id)};[x]"})
    assert made["name"] == "%5C %0A ${SHELL(id)};[x]"


async def test_no_two_trunks_share_an_address_or_a_name(api: Api) -> None:
    one = await api.post("/v1/trunks", ADDRESSED)
    problem = await api.refused(409, "POST", "/v1/trunks", {"name": "other", "addresses": ["198.51.100.77"]})
    assert "198.51.100.77/32 is of trunk 'acme' already" in problem["detail"]
    await api.refused(409, "POST", "/v1/trunks", {"name": "acme", "addresses": ["203.0.113.1"]})
    two = await api.post("/v1/trunks", {"name": "other", "addresses": ["203.0.113.1"]})
    await api.refused(409, "PATCH", f"/v1/trunks/{two['id']}", {"addresses": ["192.0.2.7"]})
    await api.refused(409, "PATCH", f"/v1/trunks/{two['id']}", {"name": "acme"})
    assert await api.all("/v1/trunks", 5) == [one, two]


async def test_access_numbers_name_the_trunks_they_come_by(api: Api) -> None:
    one = await api.post("/v1/trunks", ADDRESSED)
    number = await api.post("/v1/access-numbers", {"number": "4930111", "trunk_ids": [one["id"], one["id"]]})
    assert number["trunk_ids"] == [one["id"]]
    problem = await api.refused(409, "DELETE", f"/v1/trunks/{one['id']}")
    assert "access number 4930111" in problem["detail"]
    path = f"/v1/access-numbers/{number['id']}"
    await api.refused(404, "PATCH", path, {"trunk_ids": [NOBODY]})
    await api.refused(404, "POST", "/v1/access-numbers", {"number": "4930112", "trunk_ids": [NOBODY]})
    assert (await api("PATCH", path, {"trunk_ids": []})).body["trunk_ids"] == []
    assert (await api("DELETE", f"/v1/trunks/{one['id']}")).status == 204


async def test_trunks_are_the_operators_alone(api: Api, account: Any) -> None:
    made = await api.post("/v1/trunks", ADDRESSED)
    key = await api.post("/v1/api-keys", {"scope": "account", "account_id": account["id"], "name": "k"})
    theirs = api.with_key(key["key"])
    for method, path, body in (
        ("GET", "/v1/trunks", None),
        ("GET", f"/v1/trunks/{made['id']}", None),
        ("POST", "/v1/trunks", REGISTERING),
        ("PATCH", f"/v1/trunks/{made['id']}", {"name": "x"}),
        ("DELETE", f"/v1/trunks/{made['id']}", None),
    ):
        await theirs.refused(403, method, path, body)
