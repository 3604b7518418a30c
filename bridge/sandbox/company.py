"""A small company for demonstrations: an account with a tariff, three sub-accounts, their rooms and passcodes."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from bridge.sandbox import rest
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox

PEOPLE: Final = (
    ("e-1007", "Ada Jensen", "employee"),
    ("sales", "Sales department", "department"),
    ("p-4711", "Harbour Bridge project", "project"),
)
TARIFF: Final = {
    "per_minute": "0.049",
    "connect_fee": "0.02",
    "first_increment_s": 6,
    "next_increment_s": 6,
    "decimals": 4,
    "effective_from": "2020-01-01T00:00:00Z",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One sub-account with its room and the digits of its passcodes, by role."""

    id: str
    user_id: str
    name: str
    kind: str
    room_id: str
    digits: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Company:
    """The account, and a member for each of its sub-accounts."""

    id: str
    name: str
    members: tuple[Member, ...]


def of(sandbox: Sandbox) -> Company:
    """Return the company of a sandbox that is up. The first time, create it.

    Its members and their digits are saved in the sandbox's folder, so that later commands can show them again.
    """
    path = sandbox.folder / "company.json"
    try:
        saved = json.loads(path.read_text())
    except FileNotFoundError:
        created = asyncio.run(_create_at(sandbox))
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(created)))
        return created
    return Company(saved["id"], saved["name"], tuple(Member(**member) for member in saved["members"]))


async def _create_at(sandbox: Sandbox) -> Company:
    async with rest.client(sandbox.api_url, sandbox.environment["BRIDGE_OPERATOR_KEY"]) as client:
        return await create(client, "Northwind Legal")


async def create(client: Rest, name: str) -> Company:
    """Create the account, its tariff and its sub-accounts, each by one REST request."""
    account = await client.post("/v1/accounts", {"name": name, "currency": "USD", "time_zone": "America/New_York"})
    await client.post("/v1/tariffs", {"account_id": account["id"], **TARIFF})
    members = []
    for user_id, person, kind in PEOPLE:
        created = await client.post(
            f"/v1/accounts/{account['id']}/sub-accounts", {"user_id": user_id, "name": person, "kind": kind}
        )
        members.append(_member(created))
    return Company(account["id"], name, tuple(members))


def _member(created: Mapping[str, Any]) -> Member:
    [room] = created["rooms"]
    digits = {passcode["role"]: passcode["digits"] for passcode in room["passcodes"]}
    return Member(created["id"], created["user_id"], created["name"], created["kind"], room["id"], digits)
