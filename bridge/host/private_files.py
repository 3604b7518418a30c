"""Files of this user alone. None is opened through a symbolic link that somebody else may have planted."""

import contextlib
import os
from pathlib import Path
from typing import BinaryIO, Final, TextIO

_PRIVATE: Final = os.O_NOFOLLOW | os.O_CLOEXEC
_MODE: Final = 0o600


def create(path: Path, text: str, mode: int = _MODE) -> None:
    """Create a file that holds `text`, safe on disk. Leaves no part of it behind when it fails.

    Raises FileExistsError if anything has that name, even a link that leads nowhere, and OSError.
    """
    file = _created(path, mode)
    try:
        with file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def replacing(path: Path) -> BinaryIO:
    """Open a new, empty file for writing. A file or link of that name, which a crash or somebody left, is deleted.

    Raises OSError, also if somebody takes the name meanwhile.
    """
    path.unlink(missing_ok=True)
    return _created(path, _MODE)


def lock_file(path: Path) -> TextIO:
    """Open a file for reading, for writing and for locks, and create it if it is not there. Keeps its content.

    Raises OSError, also if the name is a symbolic link.
    """
    return os.fdopen(lock_descriptor(path), "r+", encoding="utf-8")


def lock_descriptor(path: Path) -> int:
    """Open a file as `lock_file` does, and return its descriptor, which a process may inherit with its locks."""
    return os.open(path, os.O_RDWR | os.O_CREAT | _PRIVATE, _MODE)


def _created(path: Path, mode: int) -> BinaryIO:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PRIVATE, mode)
    os.fchmod(descriptor, mode)
    return os.fdopen(descriptor, "wb")
