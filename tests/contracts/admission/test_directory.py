"""The contract of admission_ports.Directory: the fake of the dialogue's tests, and the local directory of Postgres."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.domain.admission.grant import Bar, Barred, DialledNumber, Grant, RoomOwner
from bridge.domain.provisioning.changes import AccessNumberFields
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import SubAccount
from bridge.storage.postgres.database import Database
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.admission.ports import Directory
from bridge.usecases.provisioning import provision
from bridge.usecases.provisioning.ports import Keys
from tests.storage.directory.directories import alone, digits_of, entry_of, execute
from tests.usecases.admission.fake_directory import FakeDirectory

NUMBER = "18005550100"
TRUSTED, KNOWN, STRANGER = "+4930111111", "+4930222222", "+4930333333"
HOST, GUEST, EXPIRED, WITH_PIN = "7413827", "8520741", "3692580", "5550123"
PIN = "246810"


@dataclass(frozen=True)
class Installation:
    """A directory, and what was put into it. The host's code can be used twice."""

    directory: Directory
    host: str
    guest: str
    expired: str
    with_pin: str
    room: str
    owner: RoomOwner


def grant(last: int, role: Role, pin: bytes | None = None, uses_left: int | None = None) -> Grant:
    ids = [f"00000000-0000-0000-0000-{number:012}" for number in (last, 10, 11, 12)]
    return Grant(ids[0], ids[1], ids[2], ids[3], role, pin=pin, uses_left=uses_left)


def fake() -> Installation:
    codes: dict[str, Grant | Barred] = {
        HOST: grant(1, Role.HOST, uses_left=2),
        GUEST: grant(2, Role.GUEST),
        EXPIRED: Barred(grant(3, Role.GUEST), Bar.EXPIRED),
        WITH_PIN: grant(4, Role.GUEST, pin=PIN.encode()),
    }
    one = grant(1, Role.HOST)
    owner = RoomOwner(one.account_id, one.sub_account_id)
    directory = FakeDirectory(
        codes,
        numbers={NUMBER: DialledNumber(NUMBER)},
        trusting={TRUSTED: grant(5, Role.HOST)},
        known={TRUSTED: frozenset({one.sub_account_id}), KNOWN: frozenset({one.sub_account_id})},
        owners={one.room_id: owner},
    )
    return Installation(directory, HOST, GUEST, EXPIRED, WITH_PIN, one.room_id, owner)


async def provisioned(database: Database, tenants: PostgresTenants, keys: Keys, made: SubAccount) -> dict[str, str]:
    """Make in Postgres what `fake` makes in memory; return the digits that were generated."""
    room = made.rooms[0]
    expired = await provision.add_passcode(tenants, keys, room.id, Role.GUEST)
    with_pin = await provision.add_passcode(tenants, keys, room.id, Role.GUEST, pin=PIN)
    past = {"id": expired.id, "ago": timedelta(hours=1)}
    await execute(database, "UPDATE passcodes SET valid_until = now() - CAST(:ago AS interval) WHERE id = :id", **past)
    await execute(database, "UPDATE passcodes SET max_uses = 2 WHERE role = 'host'")
    await execute(database, "UPDATE sub_accounts SET trust_callers = true")
    await provision.add_access_number(tenants, AccessNumberFields(NUMBER))
    await provision.add_known_caller(tenants, made.id, TRUSTED, "Ada Hale", skips_code=True)
    await provision.add_known_caller(tenants, made.id, KNOWN, "Ben Hale")
    assert expired.digits is not None
    assert with_pin.digits is not None
    return {"expired": expired.digits, "with_pin": with_pin.digits}


@pytest.fixture(params=["fake", "real"])
async def installation(
    request: pytest.FixtureRequest,
    database: Database,
    tenants: PostgresTenants,
    secrets: Keys,
    sub_account: SubAccount,
    state_dir: Path,
) -> AsyncIterator[Installation]:
    if request.param == "fake":
        yield fake()
        return
    digits = await provisioned(database, tenants, secrets, sub_account)
    of_host = entry_of(sub_account)
    owner = RoomOwner(of_host.account_id, of_host.sub_account_id)
    async with alone(database, state_dir, secrets) as directory:
        await directory.catch_up()
        host, guest = digits_of(sub_account, 0), digits_of(sub_account, 1)
        yield Installation(directory, host, guest, digits["expired"], digits["with_pin"], of_host.room_id, owner)


def shared(directory: Directory) -> DialledNumber:
    number = directory.number(NUMBER)
    assert number is not None
    return number


def granted(found: Grant | Barred | None) -> Grant:
    assert isinstance(found, Grant)
    return found


async def test_a_number_is_found_only_if_it_is_ours(installation: Installation) -> None:
    directory = installation.directory
    assert shared(directory) == DialledNumber(NUMBER)
    assert directory.number("18005550999") is None
    assert directory.number("") is None


async def test_a_trunk_that_nobody_knows_is_as_one_without_a_name(installation: Installation) -> None:
    unnamed = installation.directory.trunk("")
    assert (unnamed.id, unnamed.name, unnamed.max_calls) == ("", "", None)
    stranger = "00000000-0000-0000-0000-000000000099"
    assert installation.directory.trunk(stranger).id == stranger
    assert list(unnamed.numbering.dialled(NUMBER)) == [NUMBER]


async def test_a_code_is_found_whole_alone(installation: Installation) -> None:
    directory, number = installation.directory, shared(installation.directory)
    assert granted(directory.find(installation.host, number)).role is Role.HOST
    found = granted(directory.find(installation.guest, number))
    assert (found.role, found.uses_left, found.pin) == (Role.GUEST, None, None)
    assert (found.room_id, found.account_id) == (installation.room, installation.owner.account_id)
    for digits in (installation.host[:-1], f"{installation.host}0", "", "99999999999999"):
        assert directory.find(digits, number) is None


async def test_a_barred_code_says_why(installation: Installation) -> None:
    found = installation.directory.find(installation.expired, shared(installation.directory))
    assert isinstance(found, Barred)
    assert found.bar is Bar.EXPIRED


async def test_live_codes_are_counted_by_length(installation: Installation) -> None:
    codes = (installation.host, installation.guest, installation.expired, installation.with_pin)
    lengths = installation.directory.lengths(shared(installation.directory))
    assert lengths == Counter(map(len, codes))


async def test_a_pin_belongs_to_its_code_alone(installation: Installation) -> None:
    directory, number = installation.directory, shared(installation.directory)
    found = granted(directory.find(installation.with_pin, number))
    assert directory.pin_matches(found, PIN)
    assert not directory.pin_matches(found, PIN[:-1])
    assert not directory.pin_matches(granted(directory.find(installation.guest, number)), PIN)


async def test_a_call_takes_one_use_and_no_more_than_are_left(installation: Installation) -> None:
    directory, number = installation.directory, shared(installation.directory)
    limited = granted(directory.find(installation.host, number))
    assert limited.uses_left == 2
    assert await directory.take_use(limited, "1.1")
    assert await directory.take_use(limited, "1.1")
    assert await directory.take_use(limited, "1.2")
    assert not await directory.take_use(limited, "1.3")
    assert await directory.take_use(limited, "1.2")


async def test_a_code_without_a_limit_is_never_used_up(installation: Installation) -> None:
    directory, number = installation.directory, shared(installation.directory)
    unlimited = granted(directory.find(installation.guest, number))
    assert [await directory.take_use(unlimited, f"1.{call}") for call in range(5)] == [True] * 5


async def test_only_a_trusted_number_opens_a_room_by_itself(installation: Installation) -> None:
    directory, number = installation.directory, shared(installation.directory)
    trusted = directory.trusted(TRUSTED, number)
    assert trusted is not None
    assert (trusted.role, trusted.room_id) == (Role.HOST, installation.room)
    assert [directory.trusted(caller, number) for caller in (KNOWN, STRANGER, "")] == [None] * 3
    theirs = frozenset({installation.owner.sub_account_id})
    assert [directory.known_by(caller) for caller in (TRUSTED, KNOWN)] == [theirs, theirs]
    assert [directory.known_by(caller) for caller in (STRANGER, "")] == [frozenset()] * 2


async def test_a_room_has_an_owner_if_it_is_known(installation: Installation) -> None:
    assert installation.directory.owner(installation.room) == installation.owner
    assert installation.directory.owner("00000000-0000-0000-0000-000000000099") is None


async def test_what_nobody_has_is_confirmed_to_nobody(installation: Installation) -> None:
    assert await installation.directory.confirm("99999999999999", shared(installation.directory)) is None
