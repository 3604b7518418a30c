"""Bodies and the values of the domain that they become have the same fields."""

from dataclasses import fields
from typing import Any, Final

import pytest

from bridge.api.resources import (
    access_numbers,
    accounts,
    known_callers,
    passcodes,
    project_codes,
    rooms,
    sub_accounts,
    trunks,
)
from bridge.api.table import OPERATIONS
from bridge.domain.provisioning import changes

PATCHED: Final = {
    accounts: changes.AccountChanges,
    sub_accounts: changes.SubAccountChanges,
    rooms: changes.RoomChanges,
    passcodes: changes.PasscodeChanges,
    access_numbers: changes.AccessNumberChanges,
    project_codes: changes.ProjectCodeChanges,
    known_callers: changes.KnownCallerChanges,
    trunks: changes.TrunkChanges,
}
CREATED: Final = {
    "create_account": changes.AccountFields,
    "create_sub_account": changes.SubAccountFields,
    "create_room": changes.RoomFields,
    "create_access_number": changes.AccessNumberFields,
    "create_trunk": changes.TrunkFields,
}
BY_REST_ONLY_BY_DELETE: Final = {"RoomChanges": {"state"}}


def names(kind: Any) -> set[str]:
    return {field.name for field in fields(kind)}


@pytest.mark.parametrize("resource", PATCHED)
def test_a_patch_becomes_a_change_field_by_field(resource: Any) -> None:
    kind = PATCHED[resource]
    [body] = [each.body for each in resource.OPERATIONS if each.method == "PATCH"]
    assert body is not None
    assert set(body.model_fields) | BY_REST_ONLY_BY_DELETE.get(kind.__name__, set()) == names(kind)
    assert body.model_construct(set()).to(kind) == kind()


@pytest.mark.parametrize("name", CREATED)
def test_a_new_one_has_the_fields_of_its_body(name: str) -> None:
    [body] = [each.body for each in OPERATIONS if each.name == name]
    assert body is not None
    assert set(body.model_fields) == names(CREATED[name])
