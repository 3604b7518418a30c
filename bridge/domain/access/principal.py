"""Who asks: what a key is good for, and what its holder may see."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID


class Scope(StrEnum):
    """How far a key reaches, the widest first."""

    OPERATOR = "operator"
    ACCOUNT = "account"
    SUB_ACCOUNT = "sub_account"


_REACH: Final = {Scope.OPERATOR: 2, Scope.ACCOUNT: 1, Scope.SUB_ACCOUNT: 0}


@dataclass(frozen=True, slots=True)
class Owner:
    """To whom something belongs: an account, perhaps one of its sub-accounts; neither, to the operator."""

    account_id: UUID | None = None
    sub_account_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `id` names a key, or the operator's own (`operator`) or the command line (`cli`); it is no secret.

    `account_id` is set for account and sub-account keys, `sub_account_id` for the latter. `expires_at` is when the key
    ends by itself.
    """

    id: str
    scope: Scope
    account_id: UUID | None = None
    sub_account_id: UUID | None = None
    read_only: bool = False
    expires_at: datetime | None = None

    def reaches(self, least: Scope) -> bool:
        """Whether this is at least a key of that scope."""
        return _REACH[self.scope] >= _REACH[least]

    def sees(self, owner: Owner) -> bool:
        """Whether what belongs to `owner` is theirs to see."""
        match self.scope:
            case Scope.OPERATOR:
                return True
            case Scope.ACCOUNT:
                return owner.account_id == self.account_id
            case Scope.SUB_ACCOUNT:
                return owner.sub_account_id == self.sub_account_id

    def reads(self, owner: Owner) -> bool:
        """The same of what is open to those below its owner: of the operator's to all, of an account's to all of it."""
        above = owner.sub_account_id is None and owner.account_id in (None, self.account_id)
        return above or self.sees(owner)

    def confined(self, wanted: Owner) -> Owner:
        """Whose a list may show, of what is asked for: an account's key is never shown more than its account's, a
        sub-account's never more than its own."""
        match self.scope:
            case Scope.OPERATOR:
                return wanted
            case Scope.ACCOUNT:
                return Owner(self.account_id, wanted.sub_account_id)
            case Scope.SUB_ACCOUNT:
                return Owner(self.account_id, self.sub_account_id)


OPERATOR: Final = Principal("operator", Scope.OPERATOR)
CLI: Final = Principal("cli", Scope.OPERATOR)
