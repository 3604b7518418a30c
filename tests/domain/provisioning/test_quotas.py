"""Quotas: who is over one is told which, its value, and who can raise it."""

import pytest

from bridge.domain.errors import Conflict
from bridge.domain.provisioning import quotas
from bridge.domain.provisioning.changes import AccountFields
from bridge.domain.provisioning.quotas import Quota


@pytest.mark.parametrize(("most", "used"), [(3, 3), (3, 1), (None, 10**9)])
def test_an_account_may_have_as_many_as_its_quota(most: int | None, used: int) -> None:
    quotas.check(Quota.ROOMS, most, used)


@pytest.mark.parametrize("quota", Quota)
def test_more_are_refused_in_a_sentence_that_helps(quota: Quota) -> None:
    with pytest.raises(Conflict) as refused:
        quotas.check(quota, 3, 5)
    said = str(refused.value)
    assert "may have 3 " in said
    assert "would have 5" in said
    assert f"ask the operator to raise {quota.field}" in said


def test_every_quota_has_a_field_with_its_default() -> None:
    made = AccountFields("x", "EUR", "UTC")
    assert {quota: getattr(made, quota.field) for quota in Quota} == quotas.DEFAULTS
