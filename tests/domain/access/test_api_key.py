"""API keys: their text and digest, and which keys a key may make."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from bridge.domain.access import api_key
from bridge.domain.access.principal import OPERATOR, Owner, Principal, Scope
from bridge.domain.errors import Forbidden, Invalid

OURS, ADA = UUID(int=1), UUID(int=11)
END = datetime(2026, 12, 1, tzinfo=UTC)


def test_a_key_is_a_prefix_and_its_random_bytes_as_base64_for_urls() -> None:
    assert api_key.text(b"\xff" * api_key.SECRET_BYTES) == "bk_" + "_" * 42 + "8"


def test_a_key_is_stored_and_looked_up_by_its_sha_256() -> None:
    text = api_key.text(bytes(range(api_key.SECRET_BYTES)))
    assert api_key.digest(text) == hashlib.sha256(text.encode()).digest()


@pytest.mark.parametrize("text", ["", "bk_", "bk_" + "a" * 42, "bk_" + "a" * 44, "sk_" + "a" * 43, "bk_" + "é" * 43])
def test_a_text_that_cannot_be_a_key_has_no_digest(text: str) -> None:
    assert api_key.digest(text) is None


@pytest.mark.parametrize(
    ("scope", "account_id", "sub_account_id"),
    [
        (Scope.OPERATOR, None, None),
        (Scope.ACCOUNT, OURS, None),
        (Scope.SUB_ACCOUNT, None, ADA),
        (Scope.SUB_ACCOUNT, OURS, ADA),
    ],
)
def test_a_new_key_is_owned_by_the_ids_that_its_scope_needs(
    scope: Scope, account_id: UUID | None, sub_account_id: UUID | None
) -> None:
    assert api_key.owner(scope, account_id, sub_account_id) == Owner(account_id, sub_account_id)


@pytest.mark.parametrize(
    ("scope", "account_id", "sub_account_id", "field"),
    [
        (Scope.OPERATOR, OURS, None, "account_id"),
        (Scope.OPERATOR, None, ADA, "sub_account_id"),
        (Scope.ACCOUNT, None, None, "account_id"),
        (Scope.ACCOUNT, OURS, ADA, "sub_account_id"),
        (Scope.SUB_ACCOUNT, OURS, None, "sub_account_id"),
    ],
)
def test_an_id_that_is_missing_or_does_not_belong_to_the_scope_is_named(
    scope: Scope, account_id: UUID | None, sub_account_id: UUID | None, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        api_key.owner(scope, account_id, sub_account_id)
    assert refused.value.field == field


def test_no_key_makes_one_of_a_wider_scope() -> None:
    api_key.check_maker(OPERATOR, Scope.OPERATOR, None)
    with pytest.raises(Forbidden, match="a key of scope account makes none of scope operator"):
        api_key.check_maker(Principal("key-1", Scope.ACCOUNT, OURS), Scope.OPERATOR, None)


def test_a_key_that_expires_makes_none_that_lasts_longer() -> None:
    maker = Principal("key-1", Scope.ACCOUNT, OURS, expires_at=END)
    api_key.check_maker(maker, Scope.SUB_ACCOUNT, END)
    for later in (None, END + timedelta(microseconds=1)):
        with pytest.raises(Invalid) as refused:
            api_key.check_maker(maker, Scope.SUB_ACCOUNT, later)
        assert refused.value.field == "expires_at"
