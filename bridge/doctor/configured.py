"""What the settings say, as far as they can be read: the first check, and what all others go by."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bridge import settings
from bridge.doctor.examination import Check, Result, failed, well
from bridge.settings import DaemonSettings, DatabaseSettings, NodeSettings

MEND = "set it in the environment of this command as in the daemon's; `bridge settings` lists all"


@dataclass(frozen=True, slots=True)
class Configured:
    """Settings by kind, None for a kind with a fault. `etc` is Asterisk's configuration folder, if it was named."""

    database: DatabaseSettings | None
    daemon: DaemonSettings | None
    node: NodeSettings | None
    complaints: tuple[str, ...]
    etc: Path | None

    @property
    def switch(self) -> DaemonSettings | NodeSettings | None:
        """Whichever tells the way to Asterisk and its journal."""
        return self.daemon or self.node


def read(etc: Path | None = None) -> Configured:
    """The settings of this environment. Raises nothing: what is wrong with them stands in `complaints`."""
    database, daemon = settings.attempt(DatabaseSettings), settings.attempt(DaemonSettings)
    node = settings.attempt(NodeSettings)
    complaints = dict.fromkeys([*database.complaints, *daemon.complaints, *node.complaints])
    return Configured(database.read, daemon.read, node.read, tuple(complaints), etc)


def check(configured: Configured) -> Check:
    """Whether the settings are all there and well-formed."""

    async def work() -> AsyncIterator[Result]:
        for complaint in configured.complaints:
            yield failed("settings", complaint, MEND)
        if not configured.complaints:
            yield well("settings", f"all {len(settings.table())} are well-formed")

    return Check("settings", work, MEND)
