"""Check of Asterisk's configuration: it must be what the present settings render."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from bridge import settings
from bridge.asterisk.config import files
from bridge.doctor.configured import Configured
from bridge.doctor.examination import Check, Result, failed, warned, well
from bridge.settings import NodeSettings

USUAL: Final = Path("/etc/asterisk")
MEND: Final = "run `bridge asterisk render FOLDER` as Asterisk's user, and restart Asterisk while nobody talks"
SECRET: Final = ("ari.conf", "manager.conf")
"""Files with passwords. They are compared like all others, and never shown."""
OTHERS: Final = 0o007


def check(configured: Configured) -> Check | None:
    """Return the check, or None without the settings to render from."""
    node = configured.node
    if node is None:
        return None

    async def work() -> AsyncIterator[Result]:
        for result in await asyncio.to_thread(_results, node, configured.etc):
            yield result

    return Check("rendered", work, MEND)


def _results(node: NodeSettings, named: Path | None) -> list[Result]:
    folder = named or _folder(node)
    if folder is None:
        return [
            warned(
                "rendered",
                "Asterisk's configuration was not found, and was not compared",
                "name its folder with --asterisk-conf",
            )
        ]
    wanted = files.texts(settings.node_values(node, folder))
    try:
        differing = [name for name, text in wanted.items() if _read(folder / name) != text]
        open_to_all = [
            str(folder / name) for name in SECRET if not differing and (folder / name).stat().st_mode & OTHERS
        ]
    except OSError as error:
        mend = "run this as Asterisk's user, or name the folder with --asterisk-conf"
        return [warned("rendered", f"{error.filename} cannot be read ({error.strerror})", mend)]
    if differing:
        return [
            failed(
                "rendered",
                f"in {folder}, these files differ from what the settings render: {', '.join(differing)}",
                MEND,
            )
        ]
    if open_to_all:
        names = " ".join(open_to_all)
        return [failed("rendered", f"every user may read the passwords in {names}", f"chmod o-rwx {names}")]
    return [well("rendered", f"{folder} is what the settings render")]


def _folder(node: NodeSettings) -> Path | None:
    """Find the folder of this node's configuration: its asterisk.conf names the node."""
    for folder in (node.asterisk_home / "etc", USUAL):
        try:
            if f"systemname = {node.node}\n" in (folder / "asterisk.conf").read_text():
                return folder
        except (OSError, UnicodeDecodeError):
            continue
    return None


def _read(path: Path) -> str | None:
    """Return the text of a file, or None if it is missing or is no text."""
    try:
        return path.read_text()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
