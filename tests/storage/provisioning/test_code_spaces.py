"""Codes that can be dialled together stay prefix-free and hard to guess, whatever is made, chosen, imported, revoked or
renewed."""

import asyncio
import contextlib
import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from bridge.domain.errors import Conflict, Invalid, InvalidRows, TooMany
from bridge.domain.provisioning import code_lengths, passcode
from bridge.domain.provisioning.changes import (
    AccountChanges,
    AccountFields,
    PasscodeChanges,
    SubAccountChanges,
    SubAccountFields,
)
from bridge.domain.provisioning.passcode import Role
from bridge.domain.provisioning.tenants import Account, Passcode, Space, State, SubAccount
from bridge.storage import keys
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.provisioning import SHARED
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.provisioning import provision, provision_passcodes
from bridge.usecases.provisioning.import_passcodes import import_passcodes
from bridge.usecases.provisioning.issue_codes import WantedCode
from bridge.usecases.provisioning.ports import Keys
from bridge.usecases.provisioning.renew_passcodes import renew_passcodes
from tests.storage.conftest import NOVEMBER

RINGS = ("5eed" * 16, "feed" * 16, "beef" * 16)
DIGITS = "8150273964528173"
CHOICES = st.one_of(
    st.none(),
    st.sampled_from([DIGITS[:length] for length in range(9, 13)]),
    st.text("0123456789", min_size=8, max_size=12),
)
IMPORTED = st.one_of(
    st.integers(4, 16).map(lambda length: DIGITS[:length]),
    st.text("0123456789", min_size=4, max_size=16),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 1), CHOICES),
        st.tuples(st.just("bulk"), st.integers(0, 1), st.lists(CHOICES, min_size=1, max_size=6)),
        st.tuples(st.just("many"), st.integers(0, 1), st.integers(10, 40)),
        st.tuples(st.just("import"), st.integers(0, 1), st.lists(IMPORTED, min_size=1, max_size=4)),
        st.tuples(st.just("revoke"), st.integers(0, 1), st.integers(0, 30)),
        st.tuples(st.just("rotate"), st.integers(0, 1), st.integers(0, 30)),
        st.tuples(st.just("ring"), st.just(0), st.just(None)),
        st.tuples(st.just("renew"), st.just(0), st.just(None)),
    ),
    max_size=12,
)


@dataclass
class Spaces:
    """Two rooms, one of an account with its own space; what is live there; which was imported; the ring of keys."""

    tenants: PostgresTenants
    rooms: list[UUID]
    ring: list[str]
    live: dict[int, dict[UUID, str]] = field(default_factory=lambda: defaultdict(dict))
    imported: set[UUID] = field(default_factory=set)

    @property
    def keys(self) -> Keys:
        return keys.derive(*self.ring)

    async def step(self, verb: str, place: int, what: object) -> None:
        match verb, what:
            case "add", str() | None as digits:
                await self.make(place, [digits])
            case "bulk", list(choices):
                await self.make(place, choices)
            case "many", int(number):
                await self.make(place, [None] * number)
            case "import", list(digits):
                await self.take_over(place, digits)
            case "revoke", int(number) if self.live[place]:
                code = list(self.live[place])[number % len(self.live[place])]
                await self.tenants.revoke_passcode(code)
                del self.live[place][code]
            case "rotate", int(number) if self.live[place]:
                code = list(self.live[place])[number % len(self.live[place])]
                new = await provision_passcodes.rotate_passcode(self.tenants, self.keys, code, NOVEMBER)
                del self.live[place][code]
                self.note(place, [new])
            case "ring", _ if len(self.ring) < len(RINGS):
                self.ring.insert(0, RINGS[len(self.ring)])
            case "renew", _:
                await renew_passcodes(self.tenants, self.keys)
                del self.ring[1:]

    async def make(self, place: int, choices: list[str | None]) -> None:
        wanted = [WantedCode(Role.GUEST, digits) for digits in choices]
        with contextlib.suppress(InvalidRows, TooMany, Conflict):
            self.note(
                place, await provision_passcodes.add_passcodes(self.tenants, self.keys, self.rooms[place], wanted)
            )

    async def take_over(self, place: int, digits: list[str]) -> None:
        wanted = [WantedCode(Role.GUEST, each) for each in digits]
        with contextlib.suppress(InvalidRows):
            done = await import_passcodes(self.tenants, self.keys, self.rooms[place], wanted)
            assert done.before == self.lengths(place)
            self.live[place] |= {one.id: one.digits or "" for one in done.passcodes}
            assert done.after == self.lengths(place)
            self.imported |= {one.id for one in done.passcodes}

    def note(self, place: int, made: list[Passcode]) -> None:
        longest = code_lengths.longest(self.lengths(place))
        for one in made:
            assert one.digits is not None
            assert len(one.digits) >= max(9, longest)
            self.live[place][one.id] = one.digits

    def lengths(self, place: int, *, with_imported: bool = True) -> Counter[int]:
        live = self.live[place].items()
        return Counter(len(digits) for code, digits in live if with_imported or code not in self.imported)


@pytest.fixture
async def rooms(tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount) -> list[UUID]:
    own = await provision.create_account(tenants, AccountFields("Own", "EUR", "UTC", Space.OWN))
    other = await provision.create_sub_account(tenants, secrets, own.id, SubAccountFields("1", "x"))
    return [sub_account.rooms[0].id, other.rooms[0].id]


@given(steps=STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_each_space_stays_prefix_free_and_within_the_odds(
    database: Database, rooms: list[UUID], steps: list[tuple[str, int, object]]
) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE passcodes SET state = 'revoked' WHERE state = 'live'"))
        await connection.execute(text("DELETE FROM passcode_lengths"))
    spaces = Spaces(PostgresTenants(database), rooms, [RINGS[0]])
    for step in steps:
        await spaces.step(*step)
        for place in (0, 1):
            live = sorted(spaces.live[place].values())
            assert not [pair for pair in itertools.pairwise(live) if pair[1].startswith(pair[0])]
            issued = spaces.lengths(place, with_imported=False)
            assert code_lengths.odds(issued) <= code_lengths.DEFAULT.guess_odds
    async with database.transaction() as connection:
        rows = (await connection.execute(text("SELECT * FROM passcodes WHERE state = 'live'"))).mappings().all()
        counts = (await connection.execute(text("SELECT space, sum(live) FROM passcode_lengths GROUP BY space"))).all()
    kept = {row["id"]: row for row in rows}
    for place in (0, 1):
        for code, digits in spaces.live[place].items():
            row = kept.pop(code)
            assert spaces.keys.unseal(row["sealed"]) == digits
            salt = b"" if row["space"] == SHARED else row["space"].bytes
            assert row["digest"] in {passcode.digest(digits, key, salt) for key in spaces.keys.lookups}
    assert not kept
    assert {space: live for space, live in counts if live} == {row: len(of) for row, of in _by_space(rows).items()}


def _by_space(rows: object) -> dict[UUID, list[object]]:
    found: dict[UUID, list[object]] = defaultdict(list)
    for row in rows:  # type: ignore[attr-defined]
        found[row["space"]].append(row)
    return found


async def test_codes_under_a_former_key_are_in_the_way_all_the_same(
    tenants: PostgresTenants, sub_account: SubAccount
) -> None:
    room = sub_account.rooms[0].id
    before, after = keys.derive(RINGS[0]), keys.derive(RINGS[1], RINGS[0])
    await provision.add_passcode(tenants, before, room, Role.GUEST, "815027396")
    with pytest.raises(Invalid, match="cannot be used"):
        await provision.add_passcode(tenants, after, room, Role.GUEST, "815027396")
    for taken in ("8150273", "815027396", "81502739645"):
        with pytest.raises(InvalidRows) as refused:
            await import_passcodes(tenants, after, room, [WantedCode(Role.GUEST, taken)])
        assert "begins with this one" in refused.value.rows[0][2]


async def test_renewal_goes_on_where_it_was_stopped_and_may_run_twice(
    database: Database, tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount
) -> None:
    room = sub_account.rooms[0].id
    made = await provision_passcodes.add_passcodes(
        tenants, secrets, room, [WantedCode(Role.GUEST, pin="generate") for _ in range(2500)]
    )
    await tenants.revoke_passcode(made[0].id)
    ring = keys.derive(RINGS[1], RINGS[0])

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await renew_passcodes(tenants, ring, stop)
    told: list[int] = []
    both = await asyncio.gather(renew_passcodes(tenants, ring, told.append), renew_passcodes(tenants, ring))
    assert sum(both) == 1501
    assert told
    assert told == sorted(told)
    alone = keys.derive(RINGS[1])
    async with database.transaction() as connection:
        rows = (await connection.execute(text("SELECT * FROM passcodes WHERE state = 'live'"))).mappings().all()
    pins = {one.id: one.pin for one in made}
    for row in rows:
        assert row["digest"] == passcode.digest(alone.unseal(row["sealed"]), alone.lookup)
        if row["id"] in pins:
            pin = alone.unseal(row["pin_sealed"])
            assert pin == pins[row["id"]]
            assert row["pin_digest"] == passcode.pin_digest(pin, alone.lookup, row["id"].bytes)
    assert await renew_passcodes(tenants, ring) == 0


async def test_all_kinds_of_changes_at_once_hold_each_other_up_no_longer_than_they_must(
    tenants: PostgresTenants, secrets: Keys, account: Account
) -> None:
    """Creations, closings, changes, revocations and renewals at the same time: no deadlock, all counted."""
    owners = await provision.create_sub_accounts(
        tenants, secrets, account.id, [SubAccountFields(f"u{number}", "x") for number in range(24)]
    )

    async def live(owner: SubAccount, number: int) -> None:
        room = owner.rooms[0]
        match number % 6:
            case 0:
                await tenants.change_sub_account(owner.id, SubAccountChanges(state=State.CLOSED))
            case 1:
                await tenants.change_sub_account(owner.id, SubAccountChanges(name="other"))
            case 2:
                await tenants.revoke_passcode(room.passcodes[0].id)
            case 3:
                await provision.add_passcode(tenants, secrets, room.id, Role.GUEST)
            case 4:
                await tenants.remove_sub_account(owner.id)
            case _:
                await tenants.change_passcode(room.passcodes[1].id, PasscodeChanges(label="l"))

    async def rename() -> None:
        for number in range(20):
            await tenants.change_account(account.id, AccountChanges(name=f"n{number}"))

    await asyncio.gather(
        rename(),
        *(live(owner, number) for number, owner in enumerate(owners)),
        *(
            provision.create_sub_account(tenants, secrets, account.id, SubAccountFields(f"v{number}", "x"))
            for number in range(20)
        ),
        renew_passcodes(tenants, keys.derive(RINGS[1], RINGS[0])),
    )
    assert sum((await tenants.code_space()).live.values()) == 2 * 24 + 2 * 20 - 4 * 2 - 4 + 4 - 4 * 2


async def test_what_is_refused_is_written_down_though_the_rest_is_rolled_back(
    database: Database, tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(pytest.raises(Invalid, match="cannot be used"))
        await stack.enter_async_context(database.unit_of_work())
        await provision.add_passcode(tenants, secrets, sub_account.rooms[0].id, Role.GUEST, "123456789")
    async with database.transaction() as connection:
        asked = "SELECT count(*) FROM audit_log WHERE action = 'passcode.choice_refused'"
        assert (await connection.execute(text(asked))).scalar() == 1


async def test_a_closed_owner_gets_no_codes(tenants: PostgresTenants, secrets: Keys, sub_account: SubAccount) -> None:
    await tenants.change_account(sub_account.account_id, AccountChanges(state=State.CLOSED))
    with pytest.raises(Conflict, match="closed"):
        await provision.add_passcode(tenants, secrets, sub_account.rooms[0].id, Role.GUEST)
