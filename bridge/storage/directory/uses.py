"""Uses of passcodes with limited uses that callers took on this node: on disk until Postgres has them, and a day more.

They have a file of their own, since unlike the directory they can't be read from Postgres again. The key of a row is
the passcode's id and the call's uniqueid: one call takes one use however often it asks, and no restart loses any.

Each use counts exactly once, whatever dies in between: it is reported to Postgres in a transaction whose change of the
directory has a number. Up to that number the directory's figure lacks the use, and it is added here ("uncounted"); from
that number on the figure has it.
"""

import asyncio
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import structlog

from bridge.domain.errors import Unavailable
from bridge.domain.period import SECOND_US
from bridge.storage import lmdb_file
from bridge.storage.directory.rows import ID_BYTES
from bridge.storage.lmdb_file import Layout, LmdbFile

log = structlog.get_logger()

LAYOUT: Final = Layout(map_bytes=1 << 30, metasync=True)
KEPT_US: Final = 24 * 3600 * SECOND_US
"""For so long after its use was reported, a call that asks again takes no second one."""
_ROW: Final = struct.Struct(">qq")
_UNREPORTED: Final = (1 << 63) - 1
Result = TypeVar("Result")


class Use(NamedTuple):
    """One use: the passcode's id (16 bytes), the call's uniqueid, and the time in µs since 1970."""

    passcode_id: bytes
    uniqueid: str
    at_us: int

    @property
    def key(self) -> bytes:
        return self.passcode_id + self.uniqueid.encode("utf-8", "replace")


class UsesFile:
    """The open file. All methods belong to the event loop's thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _opened(path)
        self._writer = ThreadPoolExecutor(1, "directory uses")
        # Uses that the directory's figure may lack, each with the change from which on the figure has it.
        self._uncounted: dict[bytes, dict[Use, int]] = defaultdict(dict)
        for use, reported_at in self._rows():
            self._uncounted[use.passcode_id][use] = reported_at

    def uncounted(self, passcode_id: bytes, change: int) -> int:
        """Return how many uses of a passcode a figure as of that change does not count yet."""
        return sum(reported_at > change for reported_at in self._uncounted.get(passcode_id, {}).values())

    def has(self, use: Use) -> bool:
        """Return True if this call has taken a use of this passcode before."""
        if any(each.uniqueid == use.uniqueid for each in self._uncounted.get(use.passcode_id, ())):
            return True
        with self._file.begin() as reading:
            return reading.get(use.key) is not None

    async def take(self, use: Use) -> None:
        """Store a use. It counts at once, and is safe on disk when this returns.

        If the disk refuses, it is kept in memory, and reported to Postgres like any other.
        """
        self._uncounted[use.passcode_id][use] = _UNREPORTED
        try:
            await self._on_writer(self._put, {use: _UNREPORTED})
        except Unavailable as error:
            log.warning("use_not_on_disk", error=str(error), mend="free the disk of BRIDGE_STATE_DIR")

    @property
    def unreported(self) -> list[Use]:
        """The uses that Postgres may not have."""
        return [
            use for uses in self._uncounted.values() for use, reported_at in uses.items() if reported_at == _UNREPORTED
        ]

    async def mark_reported(self, uses: Iterable[Use], change: int) -> None:
        """Note that Postgres has these uses, and that the directory counts them from that change on."""
        known = dict.fromkeys(uses, change)
        for use in known:
            self._uncounted[use.passcode_id][use] = change
        await self._on_writer(self._put, known)

    def settle(self, change: int) -> None:
        """Stop counting uses here that the directory counts, now that it has reached that change."""
        for passcode_id, uses in list(self._uncounted.items()):
            for use in [use for use, reported_at in uses.items() if reported_at <= change]:
                del uses[use]
            if not uses:
                del self._uncounted[passcode_id]

    def report_all_again(self) -> None:
        """Mark all stored uses as unreported, because the database may have lost them."""
        for use, _ in self._rows():
            self._uncounted[use.passcode_id][use] = _UNREPORTED

    async def prune(self, change: int, now_us: int) -> None:
        """Delete uses that were reported, are counted by the directory, and are a day old."""
        old = [use for use, reported_at in self._rows() if reported_at <= change and use.at_us < now_us - KEPT_US]
        if old:
            await self._on_writer(self._delete, old)

    async def close(self) -> None:
        """Close the file."""
        await self._on_writer(self._file.close)
        self._writer.shutdown()

    def _rows(self) -> list[tuple[Use, int]]:
        with lmdb_file.translated(self._path), self._file.begin() as reading, reading.cursor() as cursor:
            rows = [(key, _ROW.unpack(row)) for key, row in cursor]
        return [
            (Use(key[:ID_BYTES], key[ID_BYTES:].decode(), at_us), reported_at) for key, (at_us, reported_at) in rows
        ]

    def _put(self, uses: dict[Use, int]) -> None:
        with self._file.begin(write=True) as writing:
            for use, reported_at in uses.items():
                writing.put(use.key, _ROW.pack(use.at_us, reported_at))

    def _delete(self, uses: list[Use]) -> None:
        with self._file.begin(write=True) as writing:
            for use in uses:
                writing.delete(use.key)

    async def _on_writer(self, work: Callable[..., Result], *given: Any) -> Result:
        with lmdb_file.translated(self._path):
            return await asyncio.get_running_loop().run_in_executor(self._writer, work, *given)


def _opened(path: Path) -> LmdbFile:
    file = lmdb_file.opened(path, LAYOUT, unusable=lmdb_file.DAMAGED)
    if file is not None:
        return file
    if path.exists():
        lmdb_file.set_aside(path)
        log.error(
            "uses_damaged",
            file=str(path),
            mend="renamed to .damaged; uses not yet in Postgres are lost, so some codes may admit more often",
        )
    return lmdb_file.created(path, LAYOUT)
