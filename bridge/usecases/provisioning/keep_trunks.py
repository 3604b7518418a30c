"""Adds and changes SIP trunks. The password of a registration is sealed before it is stored, and never shown again."""

from typing import Final
from uuid import UUID

from bridge.domain.errors import Invalid
from bridge.domain.provisioning import validation
from bridge.domain.provisioning.changes import UNSET, TrunkChanges, TrunkFields
from bridge.domain.provisioning.trunk import Trunk
from bridge.usecases.provisioning.ports import Keys, Tenants

LOGIN_LEAST: Final = 12
"""The fewest characters of a password that callers log in with."""


async def add_trunk(tenants: Tenants, keys: Keys, fields: TrunkFields) -> Trunk:
    """Add a trunk. Raises Invalid, Conflict."""
    checked = validation.checked(fields)
    if checked.password and not checked.addresses and not checked.registrar:
        _check_login(checked.password)
    return await tenants.add_trunk(checked, keys.seal(checked.password) if checked.password else None)


async def change_trunk(
    tenants: Tenants, keys: Keys, trunk_id: UUID, changes: TrunkChanges, expected: int | None = None
) -> Trunk:
    """Change a trunk. Calls that are up stay up, as they are. Raises Invalid, NotFound, Conflict, Stale."""
    checked = validation.checked(changes)
    before = await tenants.trunk(trunk_id)
    password = checked.password if isinstance(checked.password, str) else None
    if _logs_in(before, checked):
        if password:
            _check_login(password)
        elif not before.logs_in:
            raise Invalid(
                "password", "give one that callers log in with: the trunk has no address and no registrar then"
            )
    return await tenants.change_trunk(trunk_id, checked, keys.seal(password) if password else None, expected)


def _logs_in(before: Trunk, changes: TrunkChanges) -> bool:
    addresses = before.addresses if changes.addresses is UNSET else changes.addresses
    registrar = before.registrar if changes.registrar is UNSET else changes.registrar
    return not addresses and not registrar


def _check_login(password: str) -> None:
    if len(password) < LOGIN_LEAST:
        raise Invalid(
            "password", f"at least {LOGIN_LEAST} characters: anybody on the network can try to log in with it"
        )
