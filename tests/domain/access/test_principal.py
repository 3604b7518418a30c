"""Principals: which scopes a key reaches, which things it sees, reads and lists."""

from uuid import UUID

import pytest

from bridge.domain.access.principal import CLI, OPERATOR, Owner, Principal, Scope

OURS, THEIRS = UUID(int=1), UUID(int=2)
ADA, BOB = UUID(int=11), UUID(int=12)
ACCOUNT = Principal("key-1", Scope.ACCOUNT, OURS)
SUB_ACCOUNT = Principal("key-2", Scope.SUB_ACCOUNT, OURS, ADA)
NOBODY = Owner()


@pytest.mark.parametrize(
    ("principal", "reached"),
    [
        (OPERATOR, [Scope.OPERATOR, Scope.ACCOUNT, Scope.SUB_ACCOUNT]),
        (CLI, [Scope.OPERATOR, Scope.ACCOUNT, Scope.SUB_ACCOUNT]),
        (ACCOUNT, [Scope.ACCOUNT, Scope.SUB_ACCOUNT]),
        (SUB_ACCOUNT, [Scope.SUB_ACCOUNT]),
    ],
)
def test_a_key_reaches_its_own_scope_and_narrower_ones(principal: Principal, reached: list[Scope]) -> None:
    assert [scope for scope in Scope if principal.reaches(scope)] == reached


@pytest.mark.parametrize(
    ("principal", "owner", "seen"),
    [
        (OPERATOR, NOBODY, True),
        (OPERATOR, Owner(THEIRS, BOB), True),
        (ACCOUNT, Owner(OURS), True),
        (ACCOUNT, Owner(OURS, BOB), True),
        (ACCOUNT, Owner(THEIRS), False),
        (ACCOUNT, NOBODY, False),
        (SUB_ACCOUNT, Owner(OURS, ADA), True),
        (SUB_ACCOUNT, Owner(OURS, BOB), False),
        (SUB_ACCOUNT, Owner(OURS), False),
    ],
)
def test_a_principal_sees_what_it_or_its_part_of_the_account_owns(
    principal: Principal, owner: Owner, seen: bool
) -> None:
    assert principal.sees(owner) is seen


@pytest.mark.parametrize(
    ("owner", "read"),
    [
        (NOBODY, True),
        (Owner(OURS), True),
        (Owner(OURS, ADA), True),
        (Owner(OURS, BOB), False),
        (Owner(THEIRS), False),
    ],
)
def test_a_sub_account_reads_what_its_account_and_the_operator_leave_open_to_it(owner: Owner, read: bool) -> None:
    assert SUB_ACCOUNT.reads(owner) is read


@pytest.mark.parametrize("wanted", [NOBODY, Owner(THEIRS), Owner(THEIRS, BOB)])
def test_a_list_never_shows_more_than_the_key_may_see(wanted: Owner) -> None:
    assert OPERATOR.confined(wanted) == wanted
    assert ACCOUNT.confined(wanted) == Owner(OURS, wanted.sub_account_id)
    assert SUB_ACCOUNT.confined(wanted) == Owner(OURS, ADA)
