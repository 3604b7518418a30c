"""Accounts and sub-accounts, looked up over REST by the id or the name that was typed."""

from typing import Any
from uuid import UUID

from bridge.commands import terminal
from bridge.commands.rest import RestClient
from bridge.domain.errors import Conflict, NotFound


async def account(rest: RestClient, id_or_name: str) -> dict[str, Any]:
    """Return the account with this id, or the only one with this name, as REST shows it. Raises NotFound, Conflict."""
    if _is_id(id_or_name):
        found: dict[str, Any] = await rest.request("GET", f"/v1/accounts/{UUID(id_or_name)}")
        return found
    return await _account_named(rest, id_or_name)


async def account_id(rest: RestClient, id_or_name: str) -> str:
    """Return the id of an account, given its id or its name. An id is not looked up. Raises NotFound, Conflict."""
    if _is_id(id_or_name):
        return str(UUID(id_or_name))
    return str((await _account_named(rest, id_or_name))["id"])


async def sub_account_id(rest: RestClient, id_or_user_id: str, account: str | None) -> str:
    """Return the id of a sub-account, given its id or, with its account, its user ID. Raises NotFound, Conflict,
    Invalid."""
    if account is None:
        return str(terminal.identifier(id_or_user_id, "sub_account_id"))
    owner = await account_id(rest, account)
    found = await rest.list_all(f"/v1/accounts/{owner}/sub-accounts", {"user_id": id_or_user_id})
    if not found and _is_id(id_or_user_id):
        one = await rest.request("GET", f"/v1/sub-accounts/{UUID(id_or_user_id)}")
        found = [one] if one["account_id"] == owner else []
    if not found:
        raise NotFound(f"there is no sub-account {id_or_user_id!r} in this account: see `bridge sub-account list`")
    return str(found[0]["id"])


async def trunk_id(rest: RestClient, id_or_name: str) -> str:
    """Return the id of a trunk, given its id or its name. Raises NotFound."""
    if _is_id(id_or_name):
        return str(UUID(id_or_name))
    found = [one for one in await rest.list_all("/v1/trunks", {}) if one["name"] == id_or_name]
    if not found:
        raise NotFound(f"there is no trunk named {id_or_name!r}: see `bridge trunk list`")
    return str(found[0]["id"])


async def _account_named(rest: RestClient, name: str) -> dict[str, Any]:
    found = [one for one in await rest.list_all("/v1/accounts", {}) if one["name"] == name]
    if len(found) > 1:
        raise Conflict(f"{len(found)} accounts are named {name!r}: give the id of one, see `bridge account list`")
    if not found:
        raise NotFound(f"there is no account named {name!r}: see `bridge account list`")
    return dict(found[0])


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
