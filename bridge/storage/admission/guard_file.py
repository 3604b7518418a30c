"""The state of the guard on disk: one LMDB file that survives restarts, also while Postgres is away.

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

from bridge.domain.admission.bucket import Bucket, BucketKey, BucketKind
from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.domain.admission.regulars import Visitor, Visits
from bridge.domain.metering.records import microseconds
from bridge.storage import lmdb_file
from bridge.storage.lmdb_file import Layout, LmdbFile
from bridge.usecases.admission.ports import Remembered

log = structlog.get_logger()

FORMAT: Final = b"1"
LAYOUT: Final = Layout(map_bytes=256 << 20, tables=("buckets", "visits", "attempts"))
"""Everything that is kept here is bounded, and fits into 256 MiB several times.

Versions of before also had the tables "throttles" and "regulars"."""
_FORMAT_KEY: Final = b"format"
QUEUED: Final = 100_000
"""The most refused entries that wait for Postgres. Beyond that the oldest are dropped."""
_BUCKET: Final = struct.Struct(">dd")
_VISITS: Final = struct.Struct(">Id")
_ORDER: Final = struct.Struct(">Q")
_IDS: Final = ("account_id", "sub_account_id", "passcode_id", "trunk_id")
Result = TypeVar("Result")


class GuardFile:
    """Implements admission_ports.GuardStore. One thread of its own does all the work, so that calls never wait."""

    def __init__(self, state_dir: Path, queued: int = QUEUED) -> None:
        self._path = state_dir / "throttle.lmdb"
        self._queued = queued
        self._worker = ThreadPoolExecutor(1, "guard")
        self._file: LmdbFile | None = None

    async def load(self) -> Remembered:
        return await self._on_worker(self._load)

    async def save(
        self,
        buckets: Mapping[BucketKey, Bucket | None],
        regulars: Mapping[Visitor, Visits | None],
        attempts: Sequence[RefusedEntry],
    ) -> int:
        return await self._on_worker(self._save, buckets, regulars, attempts)

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
            buckets = {
                _key(name): Bucket(*_BUCKET.unpack(value)) for name, value in reading.cursor(file.tables["buckets"])
            }
            regulars = {
                _visitor(name): Visits(*_VISITS.unpack(value)) for name, value in reading.cursor(file.tables["visits"])
            }
        return Remembered(buckets, regulars)

    def _save(
        self,
        buckets: Mapping[BucketKey, Bucket | None],
        regulars: Mapping[Visitor, Visits | None],
        attempts: Sequence[RefusedEntry],
    ) -> int:
        file = self._open()
        with file.begin(write=True) as writing:
            store = file.tables["buckets"]
            for key, bucket in buckets.items():
                _put(writing, store, _name(key), None if bucket is None else _BUCKET.pack(bucket.level, bucket.at))
            store = file.tables["visits"]
            for visitor, visits in regulars.items():
                value = None if visits is None else _VISITS.pack(visits.days, visits.at)
                _put(writing, store, "|".join(visitor).encode(), value)
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
            "guard_lost",
            path=str(path),
            mend="the file was damaged or of another version; a new one was begun, and wrong entries are forgotten",
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


def _name(key: BucketKey) -> bytes:
    return f"{key.kind}|{key.value}".encode()


def _key(name: bytes) -> BucketKey:
    kind, _, value = bytes(name).decode().partition("|")
    return BucketKey(BucketKind(kind), value)


def _visitor(name: bytes) -> Visitor:
    number, _, sub_account_id = bytes(name).decode().partition("|")
    return Visitor(number, sub_account_id)


def _place(attempt: RefusedEntry) -> bytes:
    """Attempts lie in order of their times."""
    return _ORDER.pack(microseconds(attempt.created_at)) + attempt.id.bytes


def _told(attempt: RefusedEntry) -> bytes:
    return orjson.dumps(asdict(attempt))


def _attempt(value: bytes) -> RefusedEntry:
    told = orjson.loads(value)
    # Entries that a version of before has queued name no trunk, and nothing that they waited for.
    ids = {name: UUID(told[name]) if told.get(name) else None for name in _IDS}
    rest = {
        "id": UUID(told["id"]),
        "created_at": datetime.fromisoformat(told["created_at"]),
        "reason": Refusal(told["reason"]),
        "waited_for": BucketKind(told["waited_for"]) if told.get("waited_for") else None,
    }
    return RefusedEntry(**{**told, **rest, **ids})
