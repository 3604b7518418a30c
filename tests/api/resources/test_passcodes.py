"""/v1/passcodes: limits, PINs, chosen digits, bulk requests, rotation, and showing the digits."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from bridge.domain.provisioning import weak_codes
from tests.api.conftest import Api, World


def path_of(sub_account: Any) -> str:
    return f"/v1/rooms/{sub_account['rooms'][0]['id']}/passcodes"


async def actions(world: World, subject_id: str) -> list[str]:
    asked = "SELECT action FROM audit_log WHERE subject_id = :id ORDER BY created_at, id"
    async with world.database.transaction() as connection:
        return list((await connection.execute(text(asked), {"id": subject_id})).scalars())


async def test_terms_and_a_pin(api: Api, sub_account: Any, world: World) -> None:
    told = {
        "role": "listener",
        "label": "board call",
        "valid_from": "2026-11-25T08:00:00+01:00",
        "valid_until": "2026-11-25T10:00:00Z",
        "max_uses": 12,
    }
    made = await api.post(path_of(sub_account), {**told, "pin": "generate"})
    assert (made["label"], made["max_uses"], made["uses"], made["chosen"]) == ("board call", 12, 0, False)
    assert made["valid_from"] == "2026-11-25T07:00:00.000000Z"
    assert (made["has_pin"], len(made["pin"])) == (True, 6)
    read = await api.get(f"/v1/passcodes/{made['id']}")
    assert read == {**made, "digits": None, "pin": None}
    revealed = (await api("POST", f"/v1/passcodes/{made['id']}/reveal")).body
    assert revealed == {"id": made["id"], "digits": made["digits"], "pin": made["pin"]}
    assert await actions(world, made["id"]) == ["passcode.created", "passcode.revealed"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("valid_until", "2026-11-25T08:00:00"),
        ("max_uses", 0),
        ("max_uses", 10**10),
        ("label", "x" * 101),
        ("label", "a\nb"),
        ("digits", "12a456"),
        ("digits", "12"),
        ("pin", "12345"),
        ("pin", "123456"),
        ("pin", "1" * 11),
        ("pin", "Generate"),
    ],
)
async def test_each_bad_field_is_named(api: Api, sub_account: Any, field: str, value: object) -> None:
    problem = await api.refused(422, "POST", path_of(sub_account), {"role": "guest", field: value})
    assert problem["errors"][0]["pointer"] == f"/{field}"
    window = {"valid_from": "2026-11-25T08:00:00Z", "valid_until": "2026-11-25T08:00:00Z"}
    problem = await api.refused(422, "POST", path_of(sub_account), {"role": "guest", **window})
    assert problem["errors"][0]["pointer"] == "/valid_until"


async def test_terms_change_until_it_is_revoked(api: Api, sub_account: Any) -> None:
    made = await api.post(path_of(sub_account), {"role": "guest", "valid_from": "2026-11-25T08:00:00Z"})
    path = f"/v1/passcodes/{made['id']}"
    changed = await api("PATCH", path, {"label": "x", "max_uses": 3}, headers={"If-Match": '"1"'})
    assert (changed.status, changed.body["label"], changed.body["version"]) == (200, "x", 2)
    await api.refused(412, "PATCH", path, {"label": "y"}, headers={"If-Match": '"1"'})
    await api.refused(422, "PATCH", path, {"valid_until": "2026-11-25T07:00:00Z"})
    await api.refused(422, "PATCH", path, {"role": "host"})
    assert (await api("PATCH", path, {"valid_from": None, "max_uses": None})).body["valid_from"] is None
    assert (await api("DELETE", path)).status == 204
    for refused in (("PATCH", path, {"label": "z"}), ("POST", f"{path}/reveal"), ("POST", f"{path}/rotate", {})):
        await api.refused(409, *refused)
    assert (await api.get(path))["revoked_at"] is not None


async def test_weak_and_taken_choices_are_refused_in_the_same_words(api: Api, account: Any, sub_account: Any) -> None:
    path = path_of(sub_account)
    await api.post("/v1/access-numbers", {"number": "+49 30 84719206"})
    taken = (await api.post(path, {"role": "host", "digits": "815027394"}))["digits"]
    other = await api.post(f"/v1/accounts/{account['id']}/sub-accounts", {"user_id": "836192750", "name": "Other"})
    said = set()
    for digits in (taken, "123456789", "147258369", "308471920", "8" * 9):
        problem = await api.refused(422, "POST", path, {"role": "guest", "digits": digits})
        assert digits not in str(problem)
        said.add(str(problem))
    problem = await api.refused(422, "POST", path_of(other), {"role": "guest", "digits": "836192750"})
    assert {*said, str(problem)} == {str(problem)}


async def tenant_of(api: Api, account: Any, scope: str = "account", **more: str) -> Api:
    """A client with a key of the account, or of one of its sub-accounts."""
    made = await api.post("/v1/api-keys", {"scope": scope, "account_id": account["id"], "name": "k", **more})
    return api.with_key(made["key"])


async def test_a_tenant_tries_twenty_chosen_codes_a_day(api: Api, account: Any, sub_account: Any, world: World) -> None:
    path = path_of(sub_account)
    tenant = await tenant_of(api, account)
    seat = await tenant_of(api, account, "sub_account", sub_account_id=sub_account["id"])
    await tenant.post(path, {"role": "guest", "digits": "815027394"})
    # A body that is refused before any look-up costs no try.
    await tenant.refused(422, "POST", path, {"role": "guest", "digits": "815027385", "label": "a\nb"})
    for number in range(19):
        asking = (tenant, seat)[number % 2]
        await asking.refused(422, "POST", path, {"role": "guest", "digits": ("123456789", "815027394")[number % 2]})
    for asking in (tenant, seat):
        answer = await asking("POST", path, {"role": "guest", "digits": "905172634"})
        assert (answer.status, answer.body["status"]) == (429, 429)
        assert 0 < int(answer.headers["Retry-After"]) <= 86400
        assert "leave digits out" in answer.body["detail"]
        await asking.post(path, {"role": "guest"})
    assert await actions(world, sub_account["rooms"][0]["id"]) == ["passcode.choice_refused"] * 19
    # Neither the operator nor another account is held up by it.
    await api.post(path, {"role": "guest", "digits": "905172634"})
    other = await api.post("/v1/accounts", {"name": "Other", "currency": "EUR", "time_zone": "UTC"})
    theirs = await api.post(f"/v1/accounts/{other['id']}/sub-accounts", {"user_id": "1", "name": "x"})
    await (await tenant_of(api, other)).post(path_of(theirs), {"role": "guest", "digits": "628405173"})


async def test_a_chosen_code_is_counted_whatever_becomes_of_the_request(
    api: Api, account: Any, sub_account: Any, world: World
) -> None:
    path = path_of(sub_account)
    tenant = await tenant_of(api, account)
    weak = {"role": "guest", "digits": "123456789"}
    await asyncio.gather(*(tenant("POST", path, weak, headers={"Idempotency-Key": f"{n}"}) for n in range(30)))
    asked = "SELECT tries FROM chosen_code_tries WHERE account_id = :id"
    async with world.database.transaction() as connection:
        assert (await connection.execute(text(asked), {"id": account["id"]})).scalar() == 30
    await tenant.refused(429, "POST", path, {"role": "guest", "digits": "905172634"})
    # A new day begins the count again, and a clock that was set back does not.
    for days, status in ((1, 429), (-2, 201)):
        async with world.database.transaction() as connection:
            await connection.execute(
                text("UPDATE chosen_code_tries SET day = day + CAST(:days AS int)"), {"days": days}
            )
        answer = await tenant("POST", path, {"role": "guest", "digits": "905172634"})
        assert answer.status == status


async def test_only_the_operator_chooses_codes_in_bulk(api: Api, account: Any, sub_account: Any) -> None:
    bulk = f"{path_of(sub_account)}/bulk"
    tenant = await tenant_of(api, account)
    few = [{"role": "guest"}] + [{"role": "guest", "digits": digits} for digits in ("815027394", "123456789")]
    problem = await tenant.refused(422, "POST", bulk, {"items": few})
    assert [error["pointer"] for error in problem["errors"]] == ["/items/1/digits", "/items/2/digits"]
    assert {error["detail"] for error in problem["errors"]} == {problem["errors"][0]["detail"]}
    assert "only an operator key may choose digits" in problem["errors"][0]["detail"]
    csv = b"role,digits\nguest,815027394\n"
    problem = (await tenant("POST", bulk, data=csv, headers={"Content-Type": "text/csv"})).body
    assert problem["errors"][0]["detail"].startswith("line 2: only an operator key")
    problem = await api.refused(422, "POST", bulk, {"items": few})
    assert [error["pointer"] for error in problem["errors"]] == ["/items/2/digits"]
    assert len(await api.all(path_of(sub_account))) == 2


async def test_many_at_once_are_made_whole_or_not_at_all(api: Api, sub_account: Any) -> None:
    bulk = f"{path_of(sub_account)}/bulk"
    rows = [{"role": "guest", "label": f"seat {number}", "pin": "generate"} for number in range(300)]
    rows[7] |= {"digits": "815027396", "pin": None}
    made = (await api.post(bulk, {"items": rows}))["items"]
    assert [one["label"] for one in made] == [row["label"] for row in rows]
    assert made[7]["digits"] == "815027396"
    digits = [one["digits"] for one in made]
    # 2 of the 16 passcodes of 9 digits are there already, and 166 have 10 digits.
    assert [len(code) for code in digits] == [9] * 14 + [10] * 166 + [11] * 120
    assert len(set(digits)) == 300
    assert not any(map(weak_codes.is_weak, digits))
    bad = [{"role": "guest"}, {"role": "guest", "pin": "111111"}, {"role": "guest", "label": "a\x07"}]
    problem = await api.refused(422, "POST", bulk, {"items": bad})
    assert [error["pointer"] for error in problem["errors"]] == ["/items/2/label"]
    problem = await api.refused(422, "POST", bulk, {"items": bad[:2]})
    assert [error["pointer"] for error in problem["errors"]] == ["/items/1/pin"]
    csv = "role,label,max_uses\nguest,one,1\nhost,two,\n"
    answer = await api("POST", bulk, data=csv.encode(), headers={"Content-Type": "text/csv"})
    assert [(one["role"], one["max_uses"]) for one in answer.body["items"]] == [("guest", 1), ("host", None)]
    assert len(await api.all(path_of(sub_account), 100)) == 304


async def test_lists_can_be_filtered(api: Api, sub_account: Any) -> None:
    path = path_of(sub_account)
    host, guest = (code["id"] for code in sub_account["rooms"][0]["passcodes"])
    other = (await api.post(path, {"role": "guest"}))["id"]
    await api("DELETE", f"/v1/passcodes/{guest}")

    async def found(**query: str) -> list[str]:
        return [one["id"] for one in await api.all(path, 1, **query)]

    assert await found(role="guest") == [guest, other]
    assert await found(state="live") == [host, other]
    assert await found(state="revoked", role="guest") == [guest]


async def test_rotation_keeps_all_but_the_digits(api: Api, sub_account: Any) -> None:
    told = {"role": "guest", "label": "l", "max_uses": 3, "pin": "generate", "valid_until": "2030-01-01T00:00:00Z"}
    old = await api.post(path_of(sub_account), told)
    new = (await api("POST", f"/v1/passcodes/{old['id']}/rotate", {})).body
    assert new["replaces"] == old["id"]
    assert new["digits"] != old["digits"]
    same = ("role", "label", "max_uses", "valid_until", "pin", "room_id")
    assert [new[name] for name in same] == [old[name] for name in same]
    assert (await api.get(f"/v1/passcodes/{old['id']}"))["state"] == "revoked"
    later = (await api("POST", f"/v1/passcodes/{new['id']}/rotate", {"overlap_s": 3600})).body
    overlapping = await api.get(f"/v1/passcodes/{new['id']}")
    until = datetime.fromisoformat(overlapping["valid_until"])
    assert overlapping["state"] == "live"
    assert timedelta(0) < until - datetime.now(UTC) <= timedelta(hours=1)
    assert later["valid_until"] == old["valid_until"]
    await api.refused(422, "POST", f"/v1/passcodes/{later['id']}/rotate", {"overlap_s": 7 * 86400 + 1})
    await api.refused(412, "POST", f"/v1/passcodes/{later['id']}/rotate", {}, headers={"If-Match": '"9"'})


async def test_a_space_of_ones_own_has_codes_of_its_own(api: Api, sub_account: Any) -> None:
    told = {"name": "Own", "currency": "EUR", "time_zone": "UTC", "code_space": "own"}
    account = await api.post("/v1/accounts", told)
    owner = await api.post(f"/v1/accounts/{account['id']}/sub-accounts", {"user_id": "1", "name": "x"})
    assert {len(code["digits"]) for code in owner["rooms"][0]["passcodes"]} == {9}
    shared = await api.post(path_of(sub_account), {"role": "guest", "digits": "815027394"})
    same = await api.post(path_of(owner), {"role": "guest", "digits": "815027394"})
    assert same["digits"] == shared["digits"]


async def test_the_operator_imports_codes_and_is_told_what_they_do_to_the_odds(
    api: Api, sub_account: Any, world: World
) -> None:
    path = f"{path_of(sub_account)}/import"
    done = await api.post(path, {"items": [{"role": "host", "digits": "1234"}, {"digits": "558211", "label": "old"}]})
    assert [(one["digits"], one["role"], one["chosen"]) for one in done["items"]] == [
        ("1234", "host", True),
        ("558211", "guest", True),
    ]
    odds = done["odds"]
    assert (odds["before"], odds["after"], odds["setting"]) == pytest.approx((2e-9, 1.01002e-4, 1e-7))
    assert (odds["new_digits_before"], odds["new_digits"]) == (9, 9)
    assert "`bridge passcode rotate-short`" in done["warnings"][0]
    assert await actions(world, done["items"][0]["id"]) == ["passcode.imported"]
    csv = "role,digits,pin\nguest,90210467,generate\n"
    answer = await api("POST", path, data=csv.encode(), headers={"Content-Type": "text/csv"})
    assert (answer.status, len(answer.body["items"][0]["pin"])) == (201, 6)
    wrong = [{"digits": "1234567"}, {"digits": "5582"}, {"digits": "70707"}, {"digits": "7070707"}]
    problem = await api.refused(422, "POST", path, {"items": wrong})
    assert [error["pointer"] for error in problem["errors"]] == [f"/items/{place}/digits" for place in (0, 1, 3)]
    for bad in ("123", "1" * 17):
        await api.refused(422, "POST", path, {"items": [{"digits": bad}]})
    assert len(await api.all(path_of(sub_account))) == 5
