"""Principals: the holders of keys, and what each may see."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID


class Scope(StrEnum):
    """The reach of a key, the widest first."""

    OPERATOR = "operator"
    ACCOUNT = "account"
    SUB_ACCOUNT = "sub_account"


_REACH: Final = {Scope.OPERATOR: 2, Scope.ACCOUNT: 1, Scope.SUB_ACCOUNT: 0}


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a thing: an account, perhaps one of its sub-accounts; with neither, the operator."""

    account_id: UUID | None = None
    sub_account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a key who sends a request.

    `id` is the id of the key, `operator` for the operator's own, or `cli` for the command line; it is no secret.
    `account_id` is set for keys of accounts and sub-accounts, `sub_account_id` for the latter. `expires_at` is when the
    key ends by itself.
    """

    id: str
    scope: Scope
    account_id: UUID | None = None
    sub_account_id: UUID | None = None
    read_only: bool = False
    expires_at: datetime | None = None

    def reaches(self, least: Scope) -> bool:
        """Return True if the key has that scope or a wider one."""
        return _REACH[self.scope] >= _REACH[least]

    def sees(self, owner: Owner) -> bool:
        """Return True if the principal may see things of this owner."""
        match self.scope:
            case Scope.OPERATOR:
                return True
            case Scope.ACCOUNT:
                return owner.account_id == self.account_id
            case Scope.SUB_ACCOUNT:  # pragma: no branch -- mypy shows that no other case is left
                return owner.sub_account_id == self.sub_account_id

    def reads(self, owner: Owner) -> bool:
        """Return True if the principal may read a thing that is open to everyone below its owner.

        Such things of the operator are open to all, those of an account to all of its sub-accounts.
        """
        above = owner.sub_account_id is None and owner.account_id in (None, self.account_id)
        return above or self.sees(owner)

    def confined(self, wanted: Owner) -> Owner:
        """The owner whose things a list may show, when it was asked for those of `wanted`.

        An account's key is never shown more than its account's things, a sub-account's key never more than its own.
        """
        match self.scope:
            case Scope.OPERATOR:
                return wanted
            case Scope.ACCOUNT:
                return Owner(self.account_id, wanted.sub_account_id)
            case Scope.SUB_ACCOUNT:  # pragma: no branch -- mypy shows that no other case is left
                return Owner(self.account_id, self.sub_account_id)


OPERATOR: Final = Principal("operator", Scope.OPERATOR)
CLI: Final = Principal("cli", Scope.OPERATOR)
