"""This user's folder for all that sandboxes of the user share: unpacked Asterisks, locks, and short links.

It is never in /tmp. There any user can take a name first, and then decides what root opens.
"""

import os
import stat
from pathlib import Path
from typing import Final

from bridge.sandbox.errors import SandboxError

OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def made() -> Path:
    """Return the folder, and make it if it is not there. Raises SandboxError if it is not this user's own.

    Others may read it: mmdebstrap unpacks Asterisk there as other users.
    """
    folder = path()
    own(folder, 0o755)
    return folder


def path() -> Path:
    """Return the path of the folder, which all clones of this user on this machine share."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bridge"


def own(folder: Path, mode: int = 0o700) -> None:
    """Make a folder that no other user may write to, or make it so. Raises SandboxError if it is another user's."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=mode)
        status = folder.stat()
        if status.st_uid == os.geteuid() and status.st_mode & OTHERS_WRITE:
            folder.chmod(stat.S_IMODE(status.st_mode) & ~OTHERS_WRITE)
    except OSError as error:
        raise SandboxError(f"The folder {folder} could not be made: {error.strerror}.") from error
    if status.st_uid != os.geteuid():
        raise SandboxError(
            f"{folder} belongs to user {status.st_uid}, and you are {os.geteuid()}. Run the command as that user, or "
            "choose another place: --folder for a sandbox, XDG_CACHE_HOME for what sandboxes share."
        )
