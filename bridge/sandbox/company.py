"""A small company to try things out with: three sub-accounts, a tariff, and passcodes."""

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
    """The account and its members."""

    id: str
    name: str
    members: tuple[Member, ...]


def of(sandbox: Sandbox) -> Company:
    """The company of a sandbox that is up, made when it has none yet. Its codes are kept in the sandbox's folder."""
    kept = sandbox.folder / "company.json"
    try:
        known = json.loads(kept.read_text())
    except FileNotFoundError:
        made = asyncio.run(_found_at(sandbox))
        kept.touch(mode=0o600)
        kept.write_text(json.dumps(asdict(made)))
        return made
    return Company(known["id"], known["name"], tuple(Member(**member) for member in known["members"]))


async def _found_at(sandbox: Sandbox) -> Company:
    async with rest.client(sandbox.api_url, sandbox.environment["BRIDGE_OPERATOR_KEY"]) as client:
        return await found(client, "Northwind Legal")


async def found(client: Rest, name: str) -> Company:
    """Make the account, its tariff and its sub-accounts, each by one REST call."""
    account = await client.post("/v1/accounts", {"name": name, "currency": "USD", "time_zone": "America/New_York"})
    await client.post("/v1/tariffs", {"account_id": account["id"], **TARIFF})
    members = []
    for user_id, person, kind in PEOPLE:
        made = await client.post(
            f"/v1/accounts/{account['id']}/sub-accounts", {"user_id": user_id, "name": person, "kind": kind}
        )
        members.append(_member(made))
    return Company(account["id"], name, tuple(members))


def _member(made: Mapping[str, Any]) -> Member:
    [room] = made["rooms"]
    digits = {passcode["role"]: passcode["digits"] for passcode in room["passcodes"]}
    return Member(made["id"], made["user_id"], made["name"], made["kind"], room["id"], digits)
