"""API keys: their text, what is kept of it, and what one key may make."""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from bridge.domain.access.principal import Owner, Principal, Scope
from bridge.domain.errors import Forbidden, Invalid

SECRET_BYTES: Final = 32
HINT_LENGTH: Final = 8
OVERLAP_MAX: Final = timedelta(days=7)
_TEXT: Final = re.compile(r"bk_[0-9A-Za-z_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept: its text is shown once. `hint` is how that begins; `replaces` the key it was rotated from.

    It is good until `revoked_at` or `expires_at`, whichever comes first; None bounds nothing.
    """

    id: UUID
    scope: Scope
    account_id: UUID | None
    sub_account_id: UUID | None
    name: str
    read_only: bool
    hint: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    replaces: UUID | None = None


def text(secret: bytes) -> str:
    """A key's text, from SECRET_BYTES random bytes."""
    return "bk_" + base64.urlsafe_b64encode(secret).decode().rstrip("=")


def digest(text: str) -> bytes | None:
    """What a key is kept and found by; None for what can be none. There is nothing to guess in 256 random bits, so
    that one round of SHA-256 will do."""
    return hashlib.sha256(text.encode()).digest() if _TEXT.fullmatch(text) else None


def owner(scope: Scope, account_id: UUID | None, sub_account_id: UUID | None) -> Owner:
    """To whom a key of that scope is to belong. Raises Invalid when an id is missing, or one too many."""
    wanted = {"account_id": scope is Scope.ACCOUNT, "sub_account_id": scope is Scope.SUB_ACCOUNT}
    given = {"account_id": account_id, "sub_account_id": sub_account_id}
    for field, needed in wanted.items():
        if needed and given[field] is None:
            raise Invalid(field, f"a key of scope {scope} needs one")
        # The account of a sub-account may be left out, or told.
        if not needed and given[field] is not None and not (field == "account_id" and scope is Scope.SUB_ACCOUNT):
            raise Invalid(field, f"a key of scope {scope} has none")
    return Owner(account_id, sub_account_id)


def check_maker(maker: Principal, scope: Scope, expires_at: datetime | None) -> None:
    """No key makes one that reaches further or lasts longer than itself. Raises Forbidden, Invalid."""
    if not maker.reaches(scope):
        raise Forbidden(f"a key of scope {maker.scope} makes none of scope {scope}")
    if maker.expires_at is not None and (expires_at is None or expires_at > maker.expires_at):
        raise Invalid(
            "expires_at", "a key that expires makes none that lasts longer: name an instant before its own end"
        )
