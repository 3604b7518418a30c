"""Makes and rotates API keys."""

import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

from bridge.domain.access import api_key
from bridge.domain.access.api_key import ApiKey
from bridge.domain.access.principal import Owner, Principal, Scope
from bridge.domain.errors import Invalid
from bridge.domain.text import line
from bridge.usecases.access.ports import ApiKeys, NewApiKey


async def create(
    api_keys: ApiKeys,
    maker: Principal,
    scope: Scope,
    account_id: UUID | None,
    sub_account_id: UUID | None,
    name: str,
    expires_at: datetime | None = None,
    *,
    read_only: bool = False,
) -> tuple[ApiKey, str]:
    """Make a key, and return it with its text, which cannot be shown again.

    Raises Invalid, Forbidden (the maker's key is narrower), NotFound (the owner), Conflict (the owner is closed).
    """
    api_key.check_maker(maker, scope, expires_at)
    if maker.scope is Scope.ACCOUNT:
        account_id = maker.account_id
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise Invalid("expires_at", "name an instant to come")
    owner = api_key.owner(scope, account_id, sub_account_id)
    text, digest, hint = _secret()
    new = NewApiKey(scope, owner, line("name", name), read_only, digest, hint, expires_at)
    return await api_keys.add(new), text


async def rotate(
    api_keys: ApiKeys, maker: Principal, key_id: UUID, overlap: timedelta = timedelta()
) -> tuple[ApiKey, str]:
    """Make a key that replaces another, which stays valid for `overlap`. The new text cannot be shown again.

    Raises Invalid, Forbidden, NotFound, Conflict (the old key is not valid any more).
    """
    if not timedelta() <= overlap <= api_key.OVERLAP_MAX:
        raise Invalid("overlap_s", f"0 to {api_key.OVERLAP_MAX // timedelta(seconds=1)} seconds")
    before = await api_keys.key(key_id)
    api_key.check_maker(maker, before.scope, before.expires_at)
    text, digest, hint = _secret()
    return await api_keys.rotate(key_id, digest, hint, overlap), text


def owner_of(maker: Principal) -> Owner:
    """The owner whose keys a principal sees: its own account or sub-account; the operator sees all."""
    return Owner(maker.account_id, maker.sub_account_id)


def _secret() -> tuple[str, bytes, str]:
    text = api_key.text(secrets.token_bytes(api_key.SECRET_BYTES))
    digest = api_key.digest(text)
    assert digest is not None
    return text, digest, text[: api_key.HINT_LENGTH]
