"""What a test needs of the directory beyond a company: set in Postgres, and known to the node when this returns."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg

from bridge.domain import passcode
from bridge.sandbox.company import Company, Member
from bridge.sandbox.rest import Rest
from bridge.sandbox.stack import Sandbox
from bridge.storage import keys


async def put(sandbox: Sandbox, api: Rest, statement: str, *values: Any) -> None:
    """Carry out a statement. The node knows it once it has taken the change of its own that follows."""
    connection = await asyncpg.connect(sandbox.database_url)
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()
    await api.post("/v1/accounts", {"name": "after a statement", "currency": "USD", "time_zone": "UTC"})


async def passcode_of(api: Rest, member: Member, role: str) -> dict[str, Any]:
    """A further passcode of a member's room, digits included."""
    made: dict[str, Any] = await api.post(f"/v1/rooms/{member.room_id}/passcodes", {"role": role})
    return made


async def give_pin(sandbox: Sandbox, api: Rest, passcode_id: str, pin: str) -> None:
    lookup = keys.derive(sandbox.environment["BRIDGE_PASSCODE_KEY"]).lookup
    digest = passcode.pin_digest(pin, lookup, UUID(passcode_id).bytes)
    await put(
        sandbox,
        api,
        "UPDATE passcodes SET pin_digest = $2, pin_sealed = $2 WHERE id = $1",
        UUID(passcode_id),
        digest,
    )


async def trust(sandbox: Sandbox, api: Rest, firm: Company, member: Member, number: str) -> None:
    """A caller's number opens the member's room by itself."""
    await put(sandbox, api, "UPDATE sub_accounts SET trust_callers = true WHERE id = $1", UUID(member.id))
    await put(
        sandbox,
        api,
        "INSERT INTO known_callers (id, account_id, sub_account_id, room_id, number, name, skips_code)"
        " VALUES ($1, $2, $3, $4, $5, 'Ada', true)",
        uuid4(),
        UUID(firm.id),
        UUID(member.id),
        UUID(member.room_id),
        number,
    )


async def dedicate(sandbox: Sandbox, api: Rest, firm: Company | None, number: str, language: str = "en") -> None:
    """A new access number, for one account alone or for all."""
    await put(
        sandbox,
        api,
        "INSERT INTO access_numbers (id, account_id, number, kind, language) VALUES ($1, $2, $3, 'local', $4)",
        uuid4(),
        UUID(firm.id) if firm else None,
        number,
        language,
    )
