"""The contract of admission_ports.RefusedEntries: the fake of the daemon's tests, and Postgres."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.domain.errors import Unavailable
from bridge.storage.admission.attempts import PostgresRefusedEntries
from bridge.storage.postgres.database import Database
from bridge.usecases.admission.ports import RefusedEntries, RefusedEntryFilter
from tests.daemon.fake_refused_entries import FakeRefusedEntries
from tests.storage.admission.test_guard_file import AT, attempt
from tests.storage.directory.directories import nowhere

ALL = RefusedEntryFilter()
OWNER = UUID(int=7)
ENTRIES = [
    replace(
        attempt(number // 2, Refusal.EXPIRED if number % 2 else Refusal.WRONG, OWNER if number % 3 else None),
        id=UUID(int=100 + number),
        caller=f"49301234{number % 4}",
        access_number=f"1800555010{number % 5}",
    )
    for number in range(10)
]


@pytest.fixture(params=["fake", "real"])
def entries(request: pytest.FixtureRequest, database: Database) -> RefusedEntries:
    return FakeRefusedEntries() if request.param == "fake" else PostgresRefusedEntries(database)


@pytest.fixture(params=["fake", "real"])
async def lost(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RefusedEntries]:
    async with nowhere(tmp_path) as away:
        yield FakeRefusedEntries(away=True) if request.param == "fake" else PostgresRefusedEntries(away)


async def test_entries_come_by_time_and_id_however_they_were_added(entries: RefusedEntries) -> None:
    assert list(await entries.page(ALL, 10)) == []
    await entries.add(ENTRIES[5:][::-1])
    await entries.add(ENTRIES[:5])
    await entries.add([])
    assert list(await entries.page(ALL, 100)) == ENTRIES


async def test_an_entry_that_is_there_stays_as_it_is(entries: RefusedEntries) -> None:
    await entries.add(ENTRIES[:2])
    other = replace(ENTRIES[0], created_at=AT + timedelta(days=1), caller="4912", reason=Refusal.BLOCKED)
    await entries.add([other, ENTRIES[2]])
    await entries.add(ENTRIES[:3])
    assert list(await entries.page(ALL, 100)) == ENTRIES[:3]


@pytest.mark.parametrize("limit", [1, 3, 10])
async def test_pages_hold_each_entry_once(entries: RefusedEntries, limit: int) -> None:
    await entries.add(ENTRIES)
    read: list[RefusedEntry] = []
    after = None
    while page := await entries.page(ALL, limit, after):
        assert len(page) <= limit
        read += page
        after = page[-1].created_at, page[-1].id
    assert read == ENTRIES


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (RefusedEntryFilter(account_id=OWNER), [1, 2, 4, 5, 7, 8]),
        (RefusedEntryFilter(account_id=UUID(int=8)), []),
        (RefusedEntryFilter(callers=frozenset({"+493012343", "493012343"})), [3, 7]),
        (RefusedEntryFilter(access_number="18005550101"), [1, 6]),
        (RefusedEntryFilter(reason=Refusal.EXPIRED), [1, 3, 5, 7, 9]),
        (RefusedEntryFilter(since=AT + timedelta(seconds=1), until=AT + timedelta(seconds=3)), [2, 3, 4, 5]),
        (RefusedEntryFilter(account_id=OWNER, reason=Refusal.WRONG, since=AT + timedelta(seconds=2)), [4, 8]),
    ],
)
async def test_a_filter_is_every_condition_in_it(
    entries: RefusedEntries, wanted: RefusedEntryFilter, numbers: list[int]
) -> None:
    await entries.add(ENTRIES)
    assert list(await entries.page(wanted, 100)) == [ENTRIES[number] for number in numbers]


async def test_only_entries_from_before_a_time_are_deleted(entries: RefusedEntries) -> None:
    await entries.add(ENTRIES)
    for _ in range(2):
        await entries.prune(ENTRIES[4].created_at)
        assert list(await entries.page(ALL, 100)) == ENTRIES[4:]


async def test_postgres_that_is_away_is_unavailable(lost: RefusedEntries) -> None:
    with pytest.raises(Unavailable):
        await lost.add(ENTRIES)
    with pytest.raises(Unavailable):
        await lost.page(ALL, 10)
    with pytest.raises(Unavailable):
        await lost.prune(AT)
