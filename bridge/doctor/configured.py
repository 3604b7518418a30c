"""The settings that could be read. They are checked first, and all other checks use them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bridge import settings
from bridge.doctor.examination import Check, Result, failed, well
from bridge.settings import DaemonSettings, DatabaseSettings, NodeSettings

MEND = "set it for this command to the same value as for the daemon; `bridge settings` lists all settings"

MEND_GONE = "take it away; BRIDGE_GUESS_ODDS and BRIDGE_GUESS_OPENINGS now say when entries have to wait"


@dataclass(frozen=True, slots=True)
class Configured:
    """Settings by kind; None for a kind that could not be read. `etc` is Asterisk's configuration folder, if given."""

    database: DatabaseSettings | None
    daemon: DaemonSettings | None
    node: NodeSettings | None
    complaints: tuple[str, ...]
    etc: Path | None

    @property
    def switch(self) -> DaemonSettings | NodeSettings | None:
        """The settings that name Asterisk and its journal."""
        return self.daemon or self.node


def read(etc: Path | None = None) -> Configured:
    """Read the settings from the environment. Raises nothing: errors are listed in `complaints`."""
    database, daemon = settings.attempt(DatabaseSettings), settings.attempt(DaemonSettings)
    node = settings.attempt(NodeSettings)
    complaints = dict.fromkeys([*database.complaints, *daemon.complaints, *node.complaints])
    return Configured(database.read, daemon.read, node.read, tuple(complaints), etc)


def check(configured: Configured) -> Check:
    """Return the check that all settings are there and well-formed."""

    async def work() -> AsyncIterator[Result]:
        for complaint in configured.complaints:
            yield failed("settings", complaint, MEND)
        for name in settings.gone():
            yield failed("settings", f"{name} is set, and has no effect any more", MEND_GONE)
        if not configured.complaints:
            yield well("settings", f"all {len(settings.table())} are well-formed")

    return Check("settings", work, MEND)
