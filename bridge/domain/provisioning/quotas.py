"""Quotas: the most things of each kind that an account may have. The operator sets them on the account."""

from enum import StrEnum
from typing import Final

from bridge.domain.errors import Conflict


class Quota(StrEnum):
    """A kind of thing that is counted. The field of the account that limits it is `max_` and this name."""

    SUB_ACCOUNTS = "sub_accounts"
    ROOMS = "rooms"
    PASSCODES = "passcodes"
    KNOWN_CALLERS = "known_callers"
    WEBHOOKS = "webhooks"

    @property
    def field(self) -> str:
        return f"max_{self.value}"


SUB_ACCOUNTS: Final = 1000
ROOMS: Final = 2000
PASSCODES: Final = 5000
KNOWN_CALLERS: Final = 1000
WEBHOOKS: Final = 20
DEFAULTS: Final = {
    Quota.SUB_ACCOUNTS: SUB_ACCOUNTS,
    Quota.ROOMS: ROOMS,
    Quota.PASSCODES: PASSCODES,
    Quota.KNOWN_CALLERS: KNOWN_CALLERS,
    Quota.WEBHOOKS: WEBHOOKS,
}
"""The quotas of an account for which the operator sets no others."""

_COUNTED: Final = {
    Quota.SUB_ACCOUNTS: ("open sub-accounts", "close some"),
    Quota.ROOMS: ("open rooms", "close some"),
    Quota.PASSCODES: ("live passcodes", "revoke some"),
    Quota.KNOWN_CALLERS: ("known callers", "delete some"),
    Quota.WEBHOOKS: ("webhooks", "delete some"),
}


def check(quota: Quota, most: int | None, used: int) -> None:
    """Check the number `used` that an account would have after an addition. Raises Conflict if it is over `most`."""
    if most is not None and used > most:
        things, less = _COUNTED[quota]
        raise Conflict(
            f"this account may have {most} {things} ({quota.field}), and would have {used}: {less}, "
            f"or ask the operator to raise {quota.field} of the account"
        )
