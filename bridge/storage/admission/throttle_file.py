"""The state of the lockout on disk: one LMDB file that survives restarts, also while Postgres is away.

It also queues refused entries until Postgres takes them. They hold no digits.
"""

import asyncio
import struct
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import lmdb
import orjson
import structlog

from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.domain.admission.throttle import Throttle, ThrottleKey, ThrottleKind
from bridge.domain.metering.records import microseconds
from bridge.storage import lmdb_file
from bridge.storage.lmdb_file import Layout, LmdbFile
from bridge.usecases.admission.ports import Remembered

log = structlog.get_logger()

FORMAT: Final = b"1"
LAYOUT: Final = Layout(map_bytes=256 << 20, tables=("throttles", "regulars", "attempts"))
"""Everything that is kept here is bounded, and fits into 256 MiB several times."""
_FORMAT_KEY: Final = b"format"
QUEUED: Final = 100_000
"""The most refused entries that wait for Postgres. Beyond that the oldest are dropped."""
_THROTTLE: Final = struct.Struct(">dddI")
_REGULAR: Final = struct.Struct(">d")
_ORDER: Final = struct.Struct(">Q")
_IDS: Final = ("account_id", "sub_account_id", "passcode_id", "trunk_id")
Result = TypeVar("Result")


class ThrottleFile:
    """Implements admission_ports.ThrottleStore. One thread of its own does all the work, so that calls never wait."""

    def __init__(self, state_dir: Path, queued: int = QUEUED) -> None:
        self._path = state_dir / "throttle.lmdb"
        self._queued = queued
        self._worker = ThreadPoolExecutor(1, "throttle")
        self._file: LmdbFile | None = None

    async def load(self) -> Remembered:
        return await self._on_worker(self._load)

    async def save(
        self,
        throttles: Mapping[ThrottleKey, Throttle | None],
        recent_callers: Mapping[str, float | None],
        attempts: Sequence[RefusedEntry],
    ) -> int:
        return await self._on_worker(self._save, throttles, recent_callers, attempts)

    async def queued(self, limit: int) -> Sequence[RefusedEntry]:
        return await self._on_worker(self._read_queue, limit)

    async def dequeue(self, attempts: Sequence[RefusedEntry]) -> None:
        await self._on_worker(self._dequeue, [_place(attempt) for attempt in attempts])

    async def close(self) -> None:
        """Close the file."""
        await self._on_worker(self._close)
        self._worker.shutdown()

    # --- In the thread --------------------------------------------------------------------------------------------
    def _open(self) -> LmdbFile:
        if self._file is None:
            self._file = _opened(self._path)
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _load(self) -> Remembered:
        file = self._open()
        with file.begin() as reading:
            throttles = {
                _key(name): Throttle(*_THROTTLE.unpack(value))
                for name, value in reading.cursor(file.tables["throttles"])
            }
            recent_callers = {
                bytes(number).decode(): _REGULAR.unpack(value)[0]
                for number, value in reading.cursor(file.tables["regulars"])
            }
        return Remembered(throttles, recent_callers)

    def _save(
        self,
        throttles: Mapping[ThrottleKey, Throttle | None],
        recent_callers: Mapping[str, float | None],
        attempts: Sequence[RefusedEntry],
    ) -> int:
        file = self._open()
        with file.begin(write=True) as writing:
            store = file.tables["throttles"]
            for key, throttle in throttles.items():
                _put(writing, store, _name(key), None if throttle is None else _packed(throttle))
            store = file.tables["regulars"]
            for number, at in recent_callers.items():
                _put(writing, store, number.encode(), None if at is None else _REGULAR.pack(at))
            queue = file.tables["attempts"]
            for attempt in attempts:
                writing.put(_place(attempt), _told(attempt), db=queue)
            dropped = max(0, writing.stat(queue)["entries"] - self._queued)
            cursor = writing.cursor(queue)
            for _ in range(dropped):
                cursor.first()
                cursor.delete()
        return dropped

    def _read_queue(self, limit: int) -> Sequence[RefusedEntry]:
        file = self._open()
        with file.begin() as reading:
            cursor = reading.cursor(file.tables["attempts"])
            return [_attempt(value) for _, (_, value) in zip(range(limit), cursor, strict=False)]

    def _dequeue(self, places: Sequence[bytes]) -> None:
        file = self._open()
        with file.begin(write=True) as writing:
            queue = file.tables["attempts"]
            for place in places:
                writing.delete(place, db=queue)

    async def _on_worker(self, work: Callable[..., Result], *given: Any) -> Result:
        with lmdb_file.translated(self._path):
            return await asyncio.get_running_loop().run_in_executor(self._worker, work, *given)


def _opened(path: Path) -> LmdbFile:
    file = lmdb_file.opened(path, LAYOUT, lambda reading: bool(reading.get(_FORMAT_KEY) == FORMAT))
    if file is not None:
        return file
    if path.exists():
        log.warning(
            "throttles_lost",
            path=str(path),
            mend="the file was damaged or of another version; a new one was begun, and blocked callers may try again",
        )
    file = lmdb_file.created(path, LAYOUT)
    with file.begin(write=True) as writing:
        writing.put(_FORMAT_KEY, FORMAT)
    return file


def _put(writing: lmdb.Transaction, store: "lmdb._Database", name: bytes, value: bytes | None) -> None:
    if value is None:
        writing.delete(name, db=store)
    else:
        writing.put(name, value, db=store)


def _name(key: ThrottleKey) -> bytes:
    return f"{key.kind}|{key.value}".encode()


def _key(name: bytes) -> ThrottleKey:
    kind, _, value = bytes(name).decode().partition("|")
    return ThrottleKey(ThrottleKind(kind), value)


def _packed(throttle: Throttle) -> bytes:
    return _THROTTLE.pack(throttle.level, throttle.at, throttle.blocked_until, throttle.blocks)


def _place(attempt: RefusedEntry) -> bytes:
    """Attempts lie in order of their times."""
    return _ORDER.pack(microseconds(attempt.created_at)) + attempt.id.bytes


def _told(attempt: RefusedEntry) -> bytes:
    return orjson.dumps(asdict(attempt))


def _attempt(value: bytes) -> RefusedEntry:
    told = orjson.loads(value)
    # Entries that a version of before has queued name no trunk.
    ids = {name: UUID(told[name]) if told.get(name) else None for name in _IDS}
    rest = {
        "id": UUID(told["id"]),
        "created_at": datetime.fromisoformat(told["created_at"]),
        "reason": Refusal(told["reason"]),
    }
    return RefusedEntry(**{**told, **rest, **ids})
