"""The operation table: all operations of REST, in the order of the documentation."""

from typing import Final

from bridge.api.http.operations import Operation
from bridge.api.resources import (
    access_numbers,
    accounts,
    admission_attempts,
    api_keys,
    audit_log,
    blocks,
    conferences,
    known_callers,
    minutes,
    passcodes,
    project_codes,
    rooms,
    statements,
    sub_accounts,
    tariffs,
    trunks,
    webhooks,
)

OPERATIONS: Final[tuple[Operation, ...]] = (
    *accounts.OPERATIONS,
    *sub_accounts.OPERATIONS,
    *rooms.OPERATIONS,
    *passcodes.OPERATIONS,
    *known_callers.OPERATIONS,
    *access_numbers.OPERATIONS,
    *trunks.OPERATIONS,
    *project_codes.OPERATIONS,
    *tariffs.OPERATIONS,
    *minutes.OPERATIONS,
    *statements.OPERATIONS,
    *conferences.OPERATIONS,
    *admission_attempts.OPERATIONS,
    *blocks.OPERATIONS,
    *api_keys.OPERATIONS,
    *audit_log.OPERATIONS,
    *webhooks.OPERATIONS,
)
