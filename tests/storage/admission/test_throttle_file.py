"""The lockout's file: it survives restarts, is replaced if damaged, and never grows without bound."""

import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.domain.admission.throttle import INSTALLATION, Throttle, ThrottleKey, ThrottleKind
from bridge.domain.errors import Unavailable
from bridge.storage.admission import throttle_file
from bridge.storage.admission.throttle_file import ThrottleFile

CALLER = ThrottleKey(ThrottleKind.CALLER, "4930123456")
TRUNK = ThrottleKey(ThrottleKind.TRUNK, "2001:db8::7")
THROTTLE = Throttle(3.25, 1.7e9, 1.7e9 + 300, 2)
AT = datetime(2026, 11, 25, 10, 0, 0, 123456, tzinfo=UTC)


def attempt(number: int = 0, reason: Refusal = Refusal.WRONG, owner: UUID | None = None) -> RefusedEntry:
    at = AT + timedelta(seconds=number)
    return RefusedEntry(
        uuid4(), at, "node1", "node1-1.1", "4930123456", "18005550100", "192.0.2.7", reason, owner, owner, owner
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ThrottleFile]:
    made = ThrottleFile(tmp_path)
    yield made
    await made.close()


async def test_what_was_saved_is_there_after_a_restart(tmp_path: Path) -> None:
    store = ThrottleFile(tmp_path)
    owned = attempt(1, Refusal.EXPIRED, uuid4())
    await store.save({CALLER: THROTTLE, TRUNK: THROTTLE, INSTALLATION: THROTTLE}, {"4930": 1.7e9}, [owned, attempt()])
    await store.save({TRUNK: None, CALLER: replace(THROTTLE, blocks=3)}, {}, [])
    await store.close()
    again = ThrottleFile(tmp_path)
    remembered = await again.load()
    assert remembered.throttles == {CALLER: replace(THROTTLE, blocks=3), INSTALLATION: THROTTLE}
    assert remembered.recent_callers == {"4930": 1.7e9}
    first, second = await again.queued(10)
    assert (first.reason, second) == (Refusal.WRONG, owned)
    await again.dequeue([first])
    assert await again.queued(10) == [owned]
    await again.close()


async def test_a_file_that_was_never_there_knows_nothing(store: ThrottleFile) -> None:
    remembered = await store.load()
    assert (remembered.throttles, remembered.recent_callers) == ({}, {})
    assert await store.queued(10) == []


async def test_nobody_else_may_read_it(store: ThrottleFile, tmp_path: Path) -> None:
    await store.save({CALLER: THROTTLE}, {}, [])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("damage", ["torn", "no LMDB", "another version", "empty"])
async def test_a_damaged_file_begins_anew(tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if damage == "another version":
        monkeypatch.setattr(throttle_file, "FORMAT", b"0")
    before = ThrottleFile(tmp_path)
    await before.save({CALLER: THROTTLE}, {}, [attempt(number) for number in range(100)])
    await before.close()
    monkeypatch.undo()
    path = tmp_path / "throttle.lmdb"
    whole = path.read_bytes()
    path.write_bytes({"torn": whole[: 4096 * 3], "no LMDB": b"x" * 9000, "empty": b""}.get(damage, whole))
    after = ThrottleFile(tmp_path)
    assert (await after.load()).throttles == {}
    await after.save({CALLER: THROTTLE}, {}, [])
    assert (await after.load()).throttles == {CALLER: THROTTLE}
    await after.close()


async def test_the_queue_drops_its_oldest_and_says_how_many(tmp_path: Path) -> None:
    store = ThrottleFile(tmp_path, queued=10)
    assert await store.save({}, {}, [attempt(number) for number in range(8)]) == 0
    assert await store.save({}, {}, [attempt(number) for number in range(8, 15)]) == 5
    assert [one.created_at for one in await store.queued(100)] == [AT + timedelta(seconds=at) for at in range(5, 15)]
    await store.close()


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    store = ThrottleFile(tmp_path / "nowhere")
    with pytest.raises(Unavailable, match=r"throttle\.lmdb"):
        await store.load()
    store._worker.shutdown()


@given(
    st.sampled_from(list(ThrottleKind)),
    st.text("0123456789abcdef.:", max_size=45),
    st.tuples(st.floats(0, 1e9), st.floats(0, 4e9), st.floats(0, 4e9), st.integers(0, 1 << 31)),
)
def test_a_throttle_is_what_it_was(kind: ThrottleKind, value: str, numbers: tuple[float, float, float, int]) -> None:
    key, throttle = ThrottleKey(kind, value), Throttle(*numbers)
    assert throttle_file._key(throttle_file._name(key)) == key
    assert Throttle(*throttle_file._THROTTLE.unpack(throttle_file._packed(throttle))) == throttle
