"""API keys: their text, the digest that is stored of it, and the keys that a key may make."""

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
    """A stored key. Its text is shown once, on creation; `hint` is its first characters.

    It is valid until `revoked_at` or `expires_at`, whichever comes first; None is no limit. `replaces` is the key from
    which it was rotated.
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
    """The text of a key, made of SECRET_BYTES random bytes."""
    return "bk_" + base64.urlsafe_b64encode(secret).decode().rstrip("=")


def digest(text: str) -> bytes | None:
    """The digest under which a key is stored and looked up; None for a text that cannot be a key.

    One round of SHA-256 is enough: nobody can guess 256 random bits, so that there is no need for a slow hash.
    """
    return hashlib.sha256(text.encode()).digest() if _TEXT.fullmatch(text) else None


def owner(scope: Scope, account_id: UUID | None, sub_account_id: UUID | None) -> Owner:
    """The owner of a new key of that scope. Raises Invalid for an id that is missing or does not belong there."""
    needs = {"account_id": scope is Scope.ACCOUNT, "sub_account_id": scope is Scope.SUB_ACCOUNT}
    given = {"account_id": account_id, "sub_account_id": sub_account_id}
    for field, needed in needs.items():
        if needed and given[field] is None:
            raise Invalid(field, f"a key of scope {scope} needs one")
        # With a sub-account, its account may be given or left out.
        if not needed and given[field] is not None and not (field == "account_id" and scope is Scope.SUB_ACCOUNT):
            raise Invalid(field, f"a key of scope {scope} has none")
    return Owner(account_id, sub_account_id)


def check_maker(maker: Principal, scope: Scope, expires_at: datetime | None) -> None:
    """Refuse a new key that reaches further or lasts longer than its maker. Raises Forbidden, Invalid."""
    if not maker.reaches(scope):
        raise Forbidden(f"a key of scope {maker.scope} makes none of scope {scope}")
    if maker.expires_at is not None and (expires_at is None or expires_at > maker.expires_at):
        raise Invalid(
            "expires_at", "a key that expires makes none that lasts longer: name an instant before its own end"
        )
