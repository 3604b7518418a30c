"""What lockout knows, on this machine's disk: one LMDB file, which survives any restart, with Postgres away too.

It also queues refused entries until Postgres takes them; they have no digits.
"""

import asyncio
import contextlib
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
from bridge.domain.errors import Unavailable
from bridge.domain.metering.records import microseconds
from bridge.usecases.admission.ports import Remembered

log = structlog.get_logger()

FORMAT: Final = b"1"
MAP_BYTES: Final = 256 << 20
"""The most the file can grow to: all that is kept here is bounded, and fits several times."""
QUEUED: Final = 100_000
"""So many attempts wait for Postgres; the oldest of more are dropped."""
_THROTTLE: Final = struct.Struct(">dddI")
_REGULAR: Final = struct.Struct(">d")
_ORDER: Final = struct.Struct(">Q")
_IDS: Final = ("account_id", "sub_account_id", "passcode_id")
Result = TypeVar("Result")


class ThrottleFile:
    """Implements ports.ThrottleStore. All work is done in a thread of its own, one piece after the other."""

    def __init__(self, state_dir: Path, queued: int = QUEUED) -> None:
        self._path = state_dir / "throttle.lmdb"
        self._queued = queued
        self._worker = ThreadPoolExecutor(1, "throttle")
        self._env: lmdb.Environment | None = None

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
        """Let go of the file; what was saved stays."""
        await self._on_worker(self._close)
        self._worker.shutdown()

    # --- In the thread --------------------------------------------------------------------------------------------
    def _open(self) -> lmdb.Environment:
        if self._env is None:
            self._env = _opened(self._path) or _created(self._path)
        return self._env

    def _close(self) -> None:
        if self._env is not None:
            self._env.close()
            self._env = None

    def _load(self) -> Remembered:
        env = self._open()
        with env.begin() as reading:
            throttles = {
                _key(name): Throttle(*_THROTTLE.unpack(value))
                for name, value in reading.cursor(env.open_db(b"throttles", reading, create=False))
            }
            recent_callers = {
                bytes(number).decode(): _REGULAR.unpack(value)[0]
                for number, value in reading.cursor(env.open_db(b"regulars", reading, create=False))
            }
        return Remembered(throttles, recent_callers)

    def _save(
        self,
        throttles: Mapping[ThrottleKey, Throttle | None],
        recent_callers: Mapping[str, float | None],
        attempts: Sequence[RefusedEntry],
    ) -> int:
        env = self._open()
        with env.begin(write=True) as writing:
            store = env.open_db(b"throttles", writing)
            for key, throttle in throttles.items():
                _put(writing, store, _name(key), None if throttle is None else _packed(throttle))
            store = env.open_db(b"regulars", writing)
            for number, at in recent_callers.items():
                _put(writing, store, number.encode(), None if at is None else _REGULAR.pack(at))
            queue = env.open_db(b"attempts", writing)
            for attempt in attempts:
                writing.put(_place(attempt), _told(attempt), db=queue)
            dropped = max(0, writing.stat(queue)["entries"] - self._queued)
            cursor = writing.cursor(queue)
            for _ in range(dropped):
                cursor.first()
                cursor.delete()
        return dropped

    def _read_queue(self, limit: int) -> Sequence[RefusedEntry]:
        env = self._open()
        with env.begin() as reading:
            cursor = reading.cursor(env.open_db(b"attempts", reading, create=False))
            return [_attempt(value) for _, (_, value) in zip(range(limit), cursor, strict=False)]

    def _dequeue(self, places: Sequence[bytes]) -> None:
        env = self._open()
        with env.begin(write=True) as writing:
            queue = env.open_db(b"attempts", writing)
            for place in places:
                writing.delete(place, db=queue)

    async def _on_worker(self, work: Callable[..., Result], *given: Any) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work, *given)
        except (lmdb.Error, OSError) as error:
            raise Unavailable(
                f"{self._path} can't be used ({error}): has its disk room, and may we write there?"
            ) from error


def _opened(path: Path) -> lmdb.Environment | None:
    """The file that is there, if it can be read to its end and is of this version."""
    if not path.exists():
        return None
    with contextlib.suppress(lmdb.Error):
        env = _environment(path)
        # A page that is missing at the end would kill the process that reads it.
        if path.stat().st_size >= (env.info()["last_pgno"] + 1) * env.stat()["psize"]:
            with env.begin() as reading:
                if reading.get(b"format") == FORMAT:
                    return env
        env.close()
    log.warning("throttles_lost", path=str(path), mend="the file was damaged or of another version; it begins anew")
    return None


def _created(path: Path) -> lmdb.Environment:
    for former in (path, path.with_name(f"{path.name}-lock")):
        former.unlink(missing_ok=True)
    env = _environment(path)
    with env.begin(write=True) as writing:
        writing.put(b"format", FORMAT)
        for name in (b"throttles", b"regulars", b"attempts"):
            env.open_db(name, writing)
    return env


def _environment(path: Path) -> lmdb.Environment:
    return lmdb.open(str(path), subdir=False, map_size=MAP_BYTES, max_dbs=3, mode=0o600, metasync=False)


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
    ids = {name: UUID(told[name]) if told[name] else None for name in _IDS}
    rest = {
        "id": UUID(told["id"]),
        "created_at": datetime.fromisoformat(told["created_at"]),
        "reason": Refusal(told["reason"]),
    }
    return RefusedEntry(**{**told, **rest, **ids})
