"""Refused entries on their way to Postgres and there; who is inside by the ledger; blocks that are lifted."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select

from bridge.domain.access.principal import Owner
from bridge.domain.admission.bucket import INSTALLATION, BucketKey, BucketPolicy
from bridge.domain.admission.guessing import Allowance
from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.domain.errors import NotFound, Unavailable
from bridge.domain.metering.records import OpenStay
from bridge.domain.provisioning.changes import AccessNumberFields
from bridge.domain.provisioning.tenants import SubAccount
from bridge.storage.admission.attempts import (
    PostgresRefusedEntries,
    UnknownNumber,
    expected_openings,
    unknown_numbers,
)
from bridge.storage.admission.blocks import AuditedBlocks
from bridge.storage.admission.guard_file import GuardFile
from bridge.storage.admission.guess_stock import PostgresGuessStock
from bridge.storage.metering.present_participants import PostgresPresentParticipants
from bridge.storage.postgres.database import Database
from bridge.storage.postgres.tables.access import audit_log
from bridge.storage.postgres.tables.metering import open_stays
from bridge.storage.provisioning.tenants import PostgresTenants
from bridge.usecases.admission import guard_entry, keep_guard
from bridge.usecases.admission.guard_entry import Guard
from bridge.usecases.admission.keep_guard import GuardReports
from bridge.usecases.admission.ports import RefusedEntryFilter
from bridge.usecases.provisioning import provision
from tests.storage.admission.test_guard_file import AT, attempt
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


def guard() -> Guard:
    return Guard("node1", Allowance(), lambda _: frozenset())


def guess(keeping: Guard, times: int, caller: str = "4930") -> None:
    """Key wrong codes of nine digits, where there are 16 live ones, as long as they are judged at once."""
    source = keeping.source(caller, "192.0.2.7", "1")
    for _ in range(times):
        judge = keeping.judge_passcode(source, {9: 16})
        assert judge.may_look(9)
        judge.wrong(9)


def told(heard: list[str | None] | None = None) -> GuardReports:
    return GuardReports(lambda *_: None, lambda *_: None, (heard if heard is not None else []).append, lambda _: None)


async def test_attempts_wait_for_postgres_over_a_restart_and_arrive_once(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keep_guard, "AWAY_S", 0.01)
    first = guard()
    source = first.source("+4930123456", "192.0.2.7", "18005550100")
    guess(first, 5, source.caller)
    for _ in range(20):
        first.refused(source, "node1-1.1", Refusal.WRONG)
    store = GuardFile(tmp_path)
    await keep_guard.save(first, store, told())
    assert not first.unstored
    await store.close()

    second, store, postgres = guard(), GuardFile(tmp_path), Away(database)
    await keep_guard.remember(second, store)
    assert second.slots.left(source.own, second.now) < 1
    draining = asyncio.create_task(keep_guard.drain_attempts(store, postgres, timedelta(days=1)))
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
    guess(keeping, 1)
    store = GuardFile(tmp_path / "later")
    await keep_guard.save(keeping, store, told(heard))
    assert heard[0] is not None
    assert len(keeping.unstored) == 1
    (tmp_path / "later").mkdir()
    await keep_guard.save(keeping, store, told(heard))
    assert heard[1] is None
    assert len(await store.queued(10)) == 1
    assert len((await store.load()).buckets) == 3
    await store.close()


async def test_what_waits_in_memory_has_its_bound_and_what_is_dropped_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_entry, "UNSTORED", 3)
    keeping, dropped = guard(), list[int]()
    for number in range(5):
        keeping.refused(keeping.source("4930", "192.0.2.7", "1"), f"c-{number}", Refusal.WRONG)
    store = GuardFile(tmp_path)
    await keep_guard.save(
        keeping, store, GuardReports(lambda *_: None, lambda *_: None, lambda _: None, dropped.append)
    )
    assert [one.uniqueid for one in await store.queued(10)] == ["c-2", "c-3", "c-4"]
    assert dropped == [2]
    await store.close()


async def test_guessing_is_told_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    now, heard = time.time(), list[tuple[BucketKey, bool]]()
    keeping = guard()
    keeping._clock = lambda: now

    def on_guessing(key: BucketKey, begun: bool, per_minute: float) -> None:
        heard.append((key, begun))

    store = GuardFile(tmp_path)
    source = keeping.source("4930", "192.0.2.7", "1")
    for number in range(60):
        guess(keeping, 1, f"4930{number}")
    telling = GuardReports(on_guessing, lambda *_: None, lambda _: None, lambda _: None)
    running = asyncio.create_task(keep_guard.keep_guard(keeping, store, telling))
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
    assert {key for key, _ in heard} == {source.dialled, INSTALLATION}


async def test_a_block_is_lifted_and_the_audit_says_so(database: Database) -> None:
    keeping = guard()
    blocks = AuditedBlocks(keeping, database)
    source = keeping.source("4930", "192.0.2.7", "1")
    guess(keeping, 10)
    [short] = blocks.short()
    assert short.key == source.own
    await blocks.lift(short.key.id)
    assert keeping.slots.left(source.own, keeping.now) == 1
    with pytest.raises(NotFound):
        await blocks.lift(short.key.id)
    await blocks.lift_caller("4930")
    async with database.transaction() as connection:
        rows = (await connection.execute(select(audit_log))).all()
    assert [(row.action, row.subject_id, row.detail) for row in rows] == [
        ("block.lifted", short.key.id, {"kind": "caller", "value": "4930"})
    ] * 2
    assert Owner() == Owner(rows[0].account_id, rows[0].sub_account_id)


async def test_nodes_draw_no_more_together_than_the_stock_holds(database: Database) -> None:
    policy = BucketPolicy(burst=10.0, per_s=0.0, most=10.0)
    stock = PostgresGuessStock(database)
    drawn = await asyncio.gather(*(stock.draw(3.0, policy) for _ in range(6)))
    assert sorted(drawn) == pytest.approx([0.25, 0.5, 1, 2, 3, 3])


async def test_a_stock_keeps_its_share_when_codes_are_easier_to_guess(database: Database) -> None:
    stock = PostgresGuessStock(database)
    assert await stock.draw(2.0, BucketPolicy(10.0, 0.0, 10.0)) == 2
    assert await stock.draw(1000.0, BucketPolicy(100.0, 0.0, 100.0)) == pytest.approx(40)


async def test_the_stock_fills_again_with_the_time_of_postgres(database: Database) -> None:
    stock = PostgresGuessStock(database)
    assert await stock.draw(20.0, BucketPolicy(10.0, 0.0, 10.0)) == 5
    slow = BucketPolicy(10.0, 1e6, 10.0)
    async with asyncio.timeout(10):
        while not await stock.draw(1.0, slow):
            await asyncio.sleep(0.01)


async def test_what_wrong_entries_were_expected_to_open_is_added_up(database: Database) -> None:
    attempts = PostgresRefusedEntries(database)
    await attempts.add([replace(attempt(number), chance=0.25) for number in range(4)])
    async with database.snapshot() as connection:
        assert await expected_openings(connection, AT) == 1.0
        assert await expected_openings(connection, AT + timedelta(seconds=2)) == 0.5
        assert await expected_openings(connection, AT + timedelta(days=1)) == 0.0


def open_stay(stay: OpenStay) -> dict[str, object]:
    """The row of a stay that goes on."""
    return {
        "id": stay.identity.id,
        "node": "node1",
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
        "left_at": None,
        "evidence": "measured",
        "error_bound_us": 0,
        "result": "",
        "deducted_us": 0,
        "doubt_us": 0,
        "seen_us": 0,
    }


async def test_an_account_sees_the_entries_of_numbers_that_enter_its_rooms_alone(
    database: Database, sub_account: SubAccount
) -> None:
    mine, theirs, now = sub_account.account_id, uuid4(), datetime.now(UTC)
    stays = [("+491", mine), ("+492", mine), ("+492", theirs), ("+493", theirs), ("", mine)]
    rows = [
        {
            **open_stay(stay_of(sub_account, f"node1-{number}.1")),
            "caller": caller,
            "account_id": account_id,
            "joined_at": now,
        }
        for number, (caller, account_id) in enumerate(stays)
    ]
    async with database.transaction() as connection:
        await connection.execute(insert(open_stays), rows)
    attempts = PostgresRefusedEntries(database)
    made = [
        *(replace(attempt(n), caller=caller) for n, caller in enumerate(("+491", "+492", "+493", "+494", ""))),
        replace(attempt(7, Refusal.EXPIRED, mine), caller="+493"),
        replace(attempt(8, Refusal.EXPIRED, theirs), caller="+491"),
    ]
    await attempts.add(made)
    assert await attempts.page(RefusedEntryFilter(viewer=mine), 10) == [made[0], made[5]]
    assert await attempts.page(RefusedEntryFilter(viewer=mine, account_id=mine), 10) == [made[5]]


async def test_who_is_inside_by_what_they_came_in(database: Database, sub_account: SubAccount) -> None:
    insiders = PostgresPresentParticipants(database)
    [room] = sub_account.rooms
    rows = []
    for number, left_at in enumerate((None, None, datetime.now(UTC))):
        stay = stay_of(sub_account, f"node1-{number}.1")
        rows.append({**open_stay(stay), "node": "node1" if number != 1 else "node2", "left_at": left_at})
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
