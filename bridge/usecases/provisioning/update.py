"""Changes what was provisioned: checks each field, brings it into its usual form and stores it.

`expected` is the version that the change was made for, None for any. All raise Invalid, NotFound, Conflict, Stale.
"""

from uuid import UUID

from bridge.domain.provisioning import validation
from bridge.domain.provisioning.changes import (
    AccessNumberChanges,
    AccountChanges,
    KnownCallerChanges,
    ProjectCodeChanges,
    RoomChanges,
    SubAccountChanges,
)
from bridge.domain.provisioning.tenants import AccessNumber, Account, KnownCaller, ProjectCode, Room, SubAccount
from bridge.usecases.provisioning.ports import Tenants


async def change_account(
    tenants: Tenants, account_id: UUID, changes: AccountChanges, expected: int | None = None
) -> Account:
    return await tenants.change_account(account_id, validation.checked(changes), expected)


async def change_sub_account(
    tenants: Tenants, sub_account_id: UUID, changes: SubAccountChanges, expected: int | None = None
) -> SubAccount:
    return await tenants.change_sub_account(sub_account_id, validation.checked(changes), expected)


async def change_room(tenants: Tenants, room_id: UUID, changes: RoomChanges, expected: int | None = None) -> Room:
    return await tenants.change_room(room_id, validation.checked(changes), expected)


async def change_access_number(
    tenants: Tenants, access_number_id: UUID, changes: AccessNumberChanges, expected: int | None = None
) -> AccessNumber:
    return await tenants.change_access_number(access_number_id, validation.checked(changes), expected)


async def change_project_code(
    tenants: Tenants, project_code_id: UUID, changes: ProjectCodeChanges, expected: int | None = None
) -> ProjectCode:
    return await tenants.change_project_code(project_code_id, validation.checked(changes), expected)


async def change_known_caller(
    tenants: Tenants, known_caller_id: UUID, changes: KnownCallerChanges, expected: int | None = None
) -> KnownCaller:
    return await tenants.change_known_caller(known_caller_id, validation.checked(changes), expected)
