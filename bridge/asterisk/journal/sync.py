"""Syncs the journal to the disk, so that a power cut takes little of it: Asterisk itself never syncs."""

import os
import threading
import time
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Final, Self

ROTATED_S: Final = 2.0
"""A rotated file is synced for so long: it may still get lines that were being written when it was renamed."""


@dataclass(slots=True)
class _Held:
    file: FileIO
    live_at: float
    synced: tuple[int, int] = (-1, -1)


class Syncer:
    """Holds the live file and its predecessors open, so that none is missed when it is renamed between two rounds.

    Its methods block, on the disk; threads may share it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._held: dict[tuple[int, int], _Held] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            for held in self._held.values():
                held.file.close()
            self._held.clear()

    def round(self) -> None:
        """Sync files that have grown since the last round. Raises OSError."""
        with self._lock:
            live = self._live()
            for held in self._held.values():
                status = os.fstat(held.file.fileno())
                if held.synced != (status.st_size, status.st_mtime_ns):
                    os.fdatasync(held.file.fileno())
                    held.synced = (status.st_size, status.st_mtime_ns)
            now = time.monotonic()
            for key, held in list(self._held.items()):
                if key == live:
                    held.live_at = now
                elif now - held.live_at > ROTATED_S:
                    held.file.close()
                    del self._held[key]

    def _live(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
            key = status.st_dev, status.st_ino
            if key in self._held:
                return key
            file = FileIO(self._path)
        except FileNotFoundError:
            return None  # just rotated
        status = os.fstat(file.fileno())
        key = status.st_dev, status.st_ino
        if key in self._held:
            file.close()
            return key
        self._held[key] = _Held(file, time.monotonic())
        sync_folder(self._path.parent)
        return key


def sync_folder(folder: Path) -> None:
    """Sync a folder, so that the names of new and renamed files survive a power cut too. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
