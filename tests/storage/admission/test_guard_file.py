"""The guard's file: it survives restarts, is replaced if damaged, and never grows without bound."""

import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.admission.bucket import INSTALLATION, Bucket, BucketKey, BucketKind
from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.domain.admission.regulars import Visitor, Visits
from bridge.domain.errors import Unavailable
from bridge.storage.admission import guard_file
from bridge.storage.admission.guard_file import GuardFile

CALLER = BucketKey(BucketKind.CALLER, "4930123456")
TRUNK = BucketKey(BucketKind.TRUNK, "2001:db8::7")
BUCKET = Bucket(3.25, 1.7e9)
VISITOR = Visitor("+4930", str(UUID(int=9)))
AT = datetime(2026, 11, 25, 10, 0, 0, 123456, tzinfo=UTC)


def attempt(number: int = 0, reason: Refusal = Refusal.WRONG, owner: UUID | None = None) -> RefusedEntry:
    at = AT + timedelta(seconds=number)
    return RefusedEntry(
        uuid4(), at, "node1", "node1-1.1", "4930123456", "18005550100", "192.0.2.7", reason, owner, owner, owner
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[GuardFile]:
    made = GuardFile(tmp_path)
    yield made
    await made.close()


async def test_what_was_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    store = GuardFile(tmp_path)
    owned = replace(attempt(1, Refusal.EXPIRED, uuid4()), waited_for=BucketKind.TRUNK, chance=1.25e-7)
    await store.save(
        {CALLER: BUCKET, TRUNK: BUCKET, INSTALLATION: BUCKET}, {VISITOR: Visits(2, 1.7e9)}, [owned, attempt()]
    )
    await store.save({TRUNK: None, CALLER: replace(BUCKET, level=2.5)}, {}, [])
    await store.close()
    again = GuardFile(tmp_path)
    remembered = await again.load()
    assert remembered.buckets == {CALLER: replace(BUCKET, level=2.5), INSTALLATION: BUCKET}
    assert remembered.regulars == {VISITOR: Visits(2, 1.7e9)}
    first, second = await again.queued(10)
    assert (first.reason, second) == (Refusal.WRONG, owned)
    await again.dequeue([first])
    assert await again.queued(10) == [owned]
    await again.close()


async def test_a_file_that_was_never_there_knows_nothing(store: GuardFile) -> None:
    remembered = await store.load()
    assert (remembered.buckets, remembered.regulars) == ({}, {})
    assert await store.queued(10) == []


async def test_nobody_else_may_read_it(store: GuardFile, tmp_path: Path) -> None:
    await store.save({CALLER: BUCKET}, {}, [])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("damage", ["torn", "no LMDB", "another version", "empty"])
async def test_a_damaged_file_begins_anew(tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if damage == "another version":
        monkeypatch.setattr(guard_file, "FORMAT", b"0")
    before = GuardFile(tmp_path)
    await before.save({CALLER: BUCKET}, {}, [attempt(number) for number in range(100)])
    await before.close()
    monkeypatch.undo()
    path = tmp_path / "throttle.lmdb"
    whole = path.read_bytes()
    path.write_bytes({"torn": whole[: 4096 * 3], "no LMDB": b"x" * 9000, "empty": b""}.get(damage, whole))
    after = GuardFile(tmp_path)
    assert (await after.load()).buckets == {}
    await after.save({CALLER: BUCKET}, {}, [])
    assert (await after.load()).buckets == {CALLER: BUCKET}
    await after.close()


async def test_the_queue_drops_its_oldest_and_says_how_many(tmp_path: Path) -> None:
    store = GuardFile(tmp_path, queued=10)
    assert await store.save({}, {}, [attempt(number) for number in range(8)]) == 0
    assert await store.save({}, {}, [attempt(number) for number in range(8, 15)]) == 5
    assert [one.created_at for one in await store.queued(100)] == [AT + timedelta(seconds=at) for at in range(5, 15)]
    await store.close()


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    store = GuardFile(tmp_path / "nowhere")
    with pytest.raises(Unavailable, match=r"throttle\.lmdb"):
        await store.load()
    store._worker.shutdown()


async def test_a_visitor_who_is_forgotten_is_forgotten_on_disk(store: GuardFile) -> None:
    await store.save({}, {VISITOR: Visits(2, 1.7e9)}, [])
    await store.save({}, {VISITOR: None}, [])
    assert (await store.load()).regulars == {}


@given(st.sampled_from(list(BucketKind)), st.text("0123456789abcdef.:+-", max_size=45), st.floats(-1e9, 1e9))
def test_a_bucket_is_what_it_was(kind: BucketKind, value: str, level: float) -> None:
    key = BucketKey(kind, value)
    assert guard_file._key(guard_file._name(key)) == key
    assert guard_file._BUCKET.unpack(guard_file._BUCKET.pack(level, 1.7e9)) == (level, 1.7e9)
