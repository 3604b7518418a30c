"""Imported passcodes raise the odds of a guess, and a rotation of the short ones brings them down again."""

from datetime import timedelta
from fractions import Fraction

import pytest

from bridge.domain.errors import Invalid, InvalidRows
from bridge.domain.provisioning import code_lengths
from bridge.domain.provisioning.changes import AccountFields, PasscodeChanges, SubAccountFields
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import Space, SubAccount
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.provisioning import provision
from bridge.usecases.provisioning.import_passcodes import ImportedPasscodes, import_passcodes
from bridge.usecases.provisioning.issue_codes import WantedCode
from bridge.usecases.provisioning.ports import Keys
from bridge.usecases.provisioning.rotate_short_passcodes import (
    RotatedPasscode,
    rotate_short_passcodes,
    short_passcodes,
    worst_odds,
)
from tests.storage.conftest import NOVEMBER

MOST = code_lengths.DEFAULT.guess_odds
DAY = timedelta(days=1)


async def imported(tenants: PostgresTenants, secrets: Keys, owner: SubAccount, *digits: str) -> ImportedPasscodes:
    wanted = [WantedCode(Role.GUEST, each) for each in digits]
    return await import_passcodes(tenants, secrets, owner.rooms[0].id, wanted)


@pytest.fixture
async def other(tenants: PostgresTenants, secrets: Keys) -> SubAccount:
    """A sub-account of another account, which has a code space of its own."""
    own = await provision.create_account(tenants, AccountFields("Own", "EUR", "UTC", Space.OWN))
    return await provision.create_sub_account(tenants, secrets, own.id, SubAccountFields("7", "x"))


async def test_an_import_says_what_it_does_to_the_odds(
    tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount
) -> None:
    done = await imported(tenants, secrets, sub_account, "1234", "558211")
    before = Fraction(2, 10**9)
    assert done.odds == (before, before + Fraction(1, 10**4) + Fraction(1, 10**6))
    assert [one.digits for one in done.passcodes] == ["1234", "558211"]
    [warning] = done.warnings
    assert "1 in 9,901 (before: 1 in 500,000,000; BRIDGE_GUESS_ODDS: 1 in 10,000,000)" in warning
    longer = await imported(tenants, secrets, sub_account, "81502739645")
    assert list(longer.warnings)[-1] == "passcodes that are made from now on have 11 digits or more"
    assert len((await provision.add_passcode(tenants, secrets, sub_account.rooms[0].id, Role.GUEST)).digits or "") == 11


async def test_imported_passcodes_are_digits_that_are_in_nobodys_way(
    tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount
) -> None:
    await imported(tenants, secrets, sub_account, "558211", "90210467")
    for digits, reason in {
        "123": "4 to 16 digits",
        "12a4": "digits 0 to 9",
        "558211": "is the same",
        "5582": "begins with this one",
        "5582119": "is its beginning",
        "9021": "begins with this one",
    }.items():
        with pytest.raises(InvalidRows) as refused:
            await imported(tenants, secrets, sub_account, "70707", digits)
        [(place, field, said)] = refused.value.rows
        assert (place, field) == (1, "digits")
        assert reason in said
    assert (await tenants.code_space()).live == {6: 1, 8: 1, 9: 2}


async def rotated(
    database: Database, tenants: PostgresTenants, secrets: Keys, owner: SubAccount | None = None, days: int = 0
) -> list[RotatedPasscode]:
    account_id = owner and owner.account_id
    overlap = timedelta(days=days)
    done = rotate_short_passcodes(tenants, secrets, database.unit_of_work, NOVEMBER, overlap, account_id)
    return [one async for one in done]


async def test_short_passcodes_are_rotated_in_every_code_space(
    database: Database, tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount, other: SubAccount
) -> None:
    await imported(tenants, secrets, sub_account, "558211", "1234")
    await imported(tenants, secrets, other, "1234", "90210467", "815027396")
    assert {(one.account, one.length) async for one in short_passcodes(tenants)} == {
        *(("Hale & Partner", 6), ("Hale & Partner", 4), ("Own", 4), ("Own", 8))
    }
    theirs = await rotated(database, tenants, secrets, other)
    assert {(one.old.account, one.old.user_id, one.old.length) for one in theirs} == {("Own", "7", 4), ("Own", "7", 8)}
    assert worst_odds(await tenants.code_spaces())[0] > MOST
    ours = await rotated(database, tenants, secrets)
    assert sorted(one.old.length for one in ours) == [4, 6]
    assert all(len(one.digits or "") == 9 for one in (*ours, *theirs))
    assert max(worst_odds(await tenants.code_spaces())) <= MOST
    assert [space.live for space in await tenants.code_spaces()] == [{9: 4}, {9: 5}]
    assert await rotated(database, tenants, secrets) == []


async def test_old_digits_admit_for_a_while_and_are_then_revoked(
    database: Database, tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount
) -> None:
    [old] = (await imported(tenants, secrets, sub_account, "558211")).passcodes
    [new] = await rotated(database, tenants, secrets, days=7)
    assert new.digits is not None
    kept = await tenants.passcode(old.id)
    assert (kept.state, kept.valid_until) == ("live", NOVEMBER + 7 * DAY)
    assert await rotated(database, tenants, secrets, days=7) == []
    await tenants.change_passcode(old.id, PasscodeChanges(valid_until=NOVEMBER))
    [ended] = await rotated(database, tenants, secrets)
    assert (ended.old.id, ended.digits) == (old.id, None)
    assert (await tenants.passcode(old.id)).state == "revoked"
    await imported(tenants, secrets, sub_account, "558212")
    with pytest.raises(Invalid, match="overlap_s"):
        await rotated(database, tenants, secrets, days=8)
