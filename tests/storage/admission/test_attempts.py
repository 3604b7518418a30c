"""Refused entries on their way to Postgres and there; who is inside by the ledger; blocks that are lifted."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select

from bridge.domain.access.principal import Owner
from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.domain.admission.throttle import ThrottleKey, ThrottleKind, ThrottlePolicy
from bridge.domain.admission.throttles import Throttles
from bridge.domain.errors import NotFound, Unavailable
from bridge.domain.provisioning.changes import AccessNumberFields
from bridge.domain.provisioning.tenants import SubAccount
from bridge.storage.admission.attempts import PostgresRefusedEntries, UnknownNumber, unknown_numbers
from bridge.storage.admission.blocks import AuditedBlocks
from bridge.storage.admission.throttle_file import ThrottleFile
from bridge.storage.metering.present_participants import PostgresPresentParticipants
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.access import audit_log
from bridge.storage.postgres.tables.metering import open_stays
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.admission import guard_entry, keep_throttles
from bridge.usecases.admission.guard_entry import Guard
from bridge.usecases.admission.keep_throttles import LockoutReports
from bridge.usecases.admission.ports import RefusedEntryFilter
from bridge.usecases.provisioning import provision
from tests.storage.admission.test_throttle_file import AT, attempt
from tests.storage.conftest import stay_of

ALL = RefusedEntryFilter()


async def test_an_attempt_that_arrives_twice_is_one(database: Database) -> None:
    attempts, one = PostgresRefusedEntries(database), attempt(0, Refusal.EXPIRED, uuid4())
    await attempts.add([one, attempt(1)])
    await attempts.add([one])
    await attempts.add([])
    assert len(await attempts.page(ALL, 10)) == 2
    assert (await attempts.page(ALL, 1))[0] == one


async def test_filters_and_pages(database: Database) -> None:
    attempts, owner = PostgresRefusedEntries(database), uuid4()
    kept = [attempt(number, Refusal.EXPIRED if number % 2 else Refusal.WRONG, owner) for number in range(6)]
    await attempts.add(kept)
    assert await attempts.page(RefusedEntryFilter(account_id=uuid4()), 10) == []
    assert len(await attempts.page(RefusedEntryFilter(account_id=owner, reason=Refusal.WRONG), 10)) == 3
    since = RefusedEntryFilter(since=AT + timedelta(seconds=2), until=AT + timedelta(seconds=4))
    assert await attempts.page(since, 10) == kept[2:4]
    assert await attempts.page(RefusedEntryFilter(callers=frozenset({"1"})), 10) == []
    assert await attempts.page(RefusedEntryFilter(access_number="18005550100"), 3, (AT, kept[0].id)) == kept[1:4]


SENDS, MEANS = "trunk 192.0.2.7 sends", "the access number is 18005550100"


async def test_numbers_that_were_dialled_in_vain_are_told_with_what_they_are_like(
    database: Database, tenants: PostgresTenants
) -> None:
    await provision.add_access_number(tenants, AccessNumberFields("18005550100"))
    attempts = PostgresRefusedEntries(database)
    dialled = ["8005550100"] * 2 + ["0018005550100", "4930999", "18005550100"]
    made = [replace(attempt(n, Refusal.UNKNOWN_NUMBER), access_number=number) for n, number in enumerate(dialled)]
    await attempts.add([*made, replace(attempt(9, Refusal.WRONG), access_number="1")])
    async with database.snapshot() as connection:
        found = await unknown_numbers(connection, AT)
        assert await unknown_numbers(connection, AT + timedelta(days=1)) == []
    assert found == [
        UnknownNumber("8005550100", 2, f"{SENDS} 8005550100; {MEANS}: set its form to national, country US"),
        UnknownNumber("0018005550100", 1, f"{SENDS} 0018005550100; {MEANS}: set its prefix to 00"),
        UnknownNumber("4930999", 1, None),
    ]


async def test_old_ones_are_deleted(database: Database) -> None:
    attempts, kept = PostgresRefusedEntries(database), [attempt(number) for number in range(5)]
    await attempts.add(kept)
    await attempts.prune(AT + timedelta(seconds=3))
    assert await attempts.page(ALL, 10) == kept[3:]


class Away(PostgresRefusedEntries):
    """Postgres that is away at first, and that dies once right after it has stored what it was given."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.away = True
        self.dies = True

    async def add(self, attempts: object) -> None:
        if self.away:
            raise Unavailable("Postgres is away")
        await super().add(attempts)  # type: ignore[arg-type]
        if self.dies:
            self.dies = False
            raise Unavailable("Postgres was lost before it answered")


def guard(knows: Callable[[str], bool] = lambda _: False) -> Guard:
    own, shared = ThrottlePolicy(1800, 3, 1, 1, 16, 9.5, 300), ThrottlePolicy(1800, 3, 1, 1, 16, alarm_at=5)
    return Guard("node1", Throttles({**dict.fromkeys(ThrottleKind, shared), ThrottleKind.CALLER: own}), knows)


def told(heard: list[str | None] | None = None) -> LockoutReports:
    return LockoutReports(lambda *_: None, (heard if heard is not None else []).append, lambda _: None)


async def test_attempts_wait_for_postgres_over_a_restart_and_arrive_once(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep_throttles, "AWAY_S", 0.01)
    first = guard()
    source = first.source("+4930123456", "192.0.2.7", "18005550100")
    for _ in range(20):
        first.refused(source, "node1-1.1", Refusal.WRONG)
    store = ThrottleFile(tmp_path)
    await keep_throttles.save(first, store, told())
    assert not first.unstored
    await store.close()

    second, store, postgres = guard(), ThrottleFile(tmp_path), Away(database)
    await keep_throttles.remember(second, store)
    assert second.blocked(source)
    draining = asyncio.create_task(keep_throttles.drain_attempts(store, postgres, timedelta(days=1)))
    try:
        async with asyncio.timeout(10):
            postgres.away = False
            while await store.queued(1):
                await asyncio.sleep(0.02)
    finally:
        draining.cancel()
    assert len(await postgres.page(ALL, 100)) == 20
    await store.close()


async def test_what_cannot_be_stored_is_stored_later(tmp_path: Path) -> None:
    keeping, heard = guard(), list[str | None]()
    keeping.refused(keeping.source("4930", "192.0.2.7", "1"), "c-1", Refusal.WRONG)
    store = ThrottleFile(tmp_path / "later")
    await keep_throttles.save(keeping, store, told(heard))
    assert heard[0] is not None
    assert len(keeping.unstored) == 1
    (tmp_path / "later").mkdir()
    await keep_throttles.save(keeping, store, told(heard))
    assert heard[1] is None
    assert len(await store.queued(10)) == 1
    assert len((await store.load()).throttles) == 3
    await store.close()


async def test_what_waits_in_memory_has_its_bound_and_what_is_dropped_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_entry, "UNSTORED", 3)
    keeping, dropped = guard(), list[int]()
    for number in range(5):
        keeping.refused(keeping.source("4930", "192.0.2.7", "1"), f"c-{number}", Refusal.WRONG)
    store = ThrottleFile(tmp_path)
    await keep_throttles.save(keeping, store, LockoutReports(lambda *_: None, lambda _: None, dropped.append))
    assert [one.uniqueid for one in await store.queued(10)] == ["c-2", "c-3", "c-4"]
    assert dropped == [2]
    await store.close()


async def test_guessing_is_told_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    now, heard = time.time(), list[tuple[ThrottleKey, bool]]()
    keeping = guard()
    keeping._clock = lambda: now

    def on_guessing(key: ThrottleKey, begun: bool, level: float) -> None:
        heard.append((key, begun))

    store = ThrottleFile(tmp_path)
    source = keeping.source("4930", "192.0.2.7", "1")
    for _ in range(8):
        keeping.refused(source, "c-1", Refusal.WRONG)
    telling = LockoutReports(on_guessing, lambda _: None, lambda _: None)
    running = asyncio.create_task(keep_throttles.keep_throttles(keeping, store, telling))
    try:
        async with asyncio.timeout(10):
            while len(heard) < 2:
                await asyncio.sleep(0.02)
            now += 7200
            while len(heard) < 4:
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
    await store.close()
    assert [begun for _, begun in heard] == [True, True, False, False]
    assert {key for key, _ in heard} == set(source.shared)


async def test_a_block_is_lifted_and_the_audit_says_so(database: Database) -> None:
    keeping = guard()
    blocks = AuditedBlocks(keeping, database)
    source = keeping.source("4930", "192.0.2.7", "1")
    for _ in range(12):
        keeping.refused(source, "c-1", Refusal.WRONG)
    throttle = next(one for one in blocks.active() if one.key == source.own)
    await blocks.lift(throttle.key.id)
    assert not keeping.blocked(source)
    with pytest.raises(NotFound):
        await blocks.lift(throttle.key.id)
    async with database.transaction() as connection:
        rows = (await connection.execute(select(audit_log))).all()
    assert [(row.action, row.subject_id, row.detail) for row in rows] == [
        ("block.lifted", throttle.key.id, {"kind": "caller", "value": "4930"})
    ]
    assert Owner() == Owner(rows[0].account_id, rows[0].sub_account_id)


async def test_who_is_inside_by_what_they_came_in(database: Database, sub_account: SubAccount) -> None:
    insiders = PostgresPresentParticipants(database)
    [room] = sub_account.rooms
    rows = []
    for number, left_at in enumerate((None, None, datetime.now(UTC))):
        stay = stay_of(sub_account, f"node1-{number}.1")
        rows.append(
            {
                "id": stay.identity.id,
                "node": "node1" if number != 1 else "node2",
                "boot": stay.boot,
                "uniqueid": stay.identity.uniqueid,
                "bridge_id": stay.identity.bridge_id,
                "conference_id": stay.conference_id,
                "room": stay.room,
                "room_id": UUID(stay.room),
                "account_id": UUID(stay.account_id),
                "sub_account_id": UUID(stay.sub_account_id),
                "passcode_id": UUID(stay.passcode_id),
                "role": stay.role,
                "project_code": "",
                "channel": stay.channel,
                "caller": stay.caller,
                "access_number": stay.access_number,
                "joined_at": AT,
                "left_at": left_at,
                "evidence": "measured",
                "error_bound_us": 0,
                "result": "",
                "deducted_us": 0,
                "doubt_us": 0,
                "seen_us": 0,
            }
        )
    async with database.transaction() as connection:
        await connection.execute(insert(open_stays), rows)

    async def inside(**wanted: UUID) -> object:
        nothing: dict[str, UUID | None] = dict.fromkeys(("account_id", "sub_account_id", "room_id", "passcode_id"))
        return await insiders.inside("node1", **{**nothing, **wanted})

    for wanted in (
        {"account_id": sub_account.account_id},
        {"sub_account_id": sub_account.id},
        {"room_id": room.id},
        {"passcode_id": room.passcodes[0].id},
    ):
        assert await inside(**wanted) == {"node1-0.1"}
        assert await inside(**dict.fromkeys(wanted, uuid4())) == set()


def test_an_attempt_has_no_place_for_digits() -> None:
    assert not {"digits", "pin", "code"} & set(RefusedEntry.__slots__)
