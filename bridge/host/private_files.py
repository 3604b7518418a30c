"""Files of this user alone. None is opened through a symbolic link that somebody else may have planted."""

import contextlib
import os
from pathlib import Path
from typing import Final, TextIO

_PRIVATE: Final = os.O_NOFOLLOW | os.O_CLOEXEC
_MODE: Final = 0o600


def create(path: Path, text: str, mode: int = _MODE) -> None:
    """Create a file that holds `text`, safe on disk. Leaves no part of it behind when it fails.

    Raises FileExistsError if anything has that name, even a link that leads nowhere, and OSError.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PRIVATE, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def lock_file(path: Path) -> TextIO:
    """Open a file for reading, for writing and for locks, and create it if it is not there. Keeps its content.

    Raises OSError, also if the name is a symbolic link.
    """
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | _PRIVATE, _MODE), "r+", encoding="utf-8")
