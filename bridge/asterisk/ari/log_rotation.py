"""Has Asterisk's log files rotated before they grow large, and deletes the oldest.

Asterisk itself never rotates a log by its size. Its logs lie on this machine, often on the disk of the journal.
"""

import asyncio
from pathlib import Path
from typing import Final

import structlog

from bridge import telemetry
from bridge.asterisk.ari.client import Ari, AriFailed

log = structlog.get_logger()

LOOK_S: Final = 30.0
LARGEST: Final = 16 << 20
"""A log of so many bytes is rotated."""
KEPT: Final = 4
"""So many rotated files are kept of each log. Asterisk numbers them, from 0 for the newest."""


async def keep_rotating(ari: Ari) -> None:
    """Look after the logs every LOOK_S, for as long as the connection lives. Raises AriUnreachable."""
    while True:
        try:
            await rotate(ari)
        except AriFailed as error:
            log.warning(
                "log_not_rotated", error=str(error), mend="Asterisk's logs grow: rotate them by another program"
            )
        await asyncio.sleep(LOOK_S)


async def rotate(ari: Ari) -> None:
    """Rotate each log that has grown large, and delete files that are too many. Raises AriFailed, AriUnreachable."""
    paths = [Path(each["channel"]) for each in await ari.request("GET", "asterisk/logging") if each["type"] == "File"]
    total = 0
    for path in paths:
        if await asyncio.to_thread(_size, path) >= LARGEST:
            await ari.request("PUT", f"asterisk/logging/{path.name}/rotate")
        total += await asyncio.to_thread(_tidied, path)
    telemetry.ASTERISK_LOG_BYTES.set(total)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _tidied(path: Path) -> int:
    """Delete rotated files that are too many, and return the bytes of those that are left."""
    kept = _size(path)
    for rotated in path.parent.glob(f"{path.name}.*"):
        number = rotated.suffix.removeprefix(".")
        if not number.isdecimal():
            continue
        if int(number) < KEPT:
            kept += _size(rotated)
            continue
        try:
            rotated.unlink(missing_ok=True)
        except OSError as error:
            log.warning(
                "log_not_deleted", path=str(rotated), error=error.strerror, mend="let the daemon's user delete it"
            )
    return kept
