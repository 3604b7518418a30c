"""The folder of a sandbox: private to its user, locked while a command works on it, its files replaced whole."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.host import private_files
from bridge.sandbox.host import user_folder
from bridge.sandbox.host.system import Say


def make(folder: Path) -> None:
    """Make the folder if it is not there. Raises SandboxError, also if it belongs to another user."""
    user_folder.own(folder)


@contextmanager
def locked(folder: Path, say: Say) -> Iterator[None]:
    """Hold the folder's lock for the length of the block. Waits while another command holds it."""
    with private_files.lock_file(folder / "lock") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another command that works on {folder}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file by one with this text. A reader sees the old text or the new, never a part."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    private_files.create(temporary, text, mode)
    temporary.replace(path)
