"""The folder of a sandbox: private to its user, locked while a command works on it, its files replaced whole."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.sandbox.errors import SandboxError
from bridge.sandbox.host.system import Say


def make(folder: Path) -> None:
    """Make the folder if it is not there. Raises SandboxError, also if it belongs to another user."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SandboxError(f"The folder {folder} could not be made: {error.strerror}.") from error
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        raise SandboxError(
            f"The sandbox in {folder} belongs to user {owner}, and you are {os.geteuid()}. "
            "Run the command as that user, or choose another --folder."
        )


@contextmanager
def locked(folder: Path, say: Say) -> Iterator[None]:
    """Hold the folder's lock for the length of the block. Waits while another command holds it."""
    with (folder / "lock").open("w") as lock:
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
    temporary.touch(mode, exist_ok=False)
    temporary.write_text(text)
    temporary.replace(path)
