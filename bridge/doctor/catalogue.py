"""All checks, in the order in which their results are printed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from bridge.doctor import configured, daemon, ledger, machine, rendered, switch, trunk
from bridge.doctor.configured import Configured
from bridge.doctor.examination import Check, Result, examine, failed, warned
from bridge.domain.errors import BridgeError

_CHECKS: Final[tuple[tuple[str, Callable[[Configured], Check | None]], ...]] = (
    ("settings", configured.check),
    ("postgres", ledger.check),
    ("ari", switch.over_ari),
    ("ami", switch.over_ami),
    ("rendered", rendered.check),
    ("journal", machine.journal),
    ("time server", machine.clock),
    ("ports", machine.ports),
    ("state", machine.state),
    ("daemon", daemon.check),
)


def results(etc: Path | None = None, trunk_name: str | None = None) -> list[Result]:
    """Run all checks on this machine, or those of one trunk. `etc` is Asterisk's configuration folder, if known."""
    known = configured.read(etc)
    if trunk_name is not None:
        return _of_trunk(known, trunk_name)
    return examine([make(known) or _skipped(name) for name, make in _CHECKS])


def _of_trunk(known: Configured, name: str) -> list[Result]:
    """Run the checks of one trunk."""
    checks = [configured.check(known), machine.clock(known)]
    if known.daemon is not None:
        try:
            checks += trunk.checks(known, asyncio.run(trunk.find(known.daemon, name)))
        except BridgeError as error:
            return [*examine(checks), failed("trunk", str(error), trunk.MEND)]
    return examine(checks)


def _skipped(name: str) -> Check:
    """Return a stand-in for a check whose settings cannot be read."""

    async def work() -> AsyncIterator[Result]:
        yield warned(name, "not checked, because its settings are missing or malformed", "correct the settings first")

    return Check(name, work, "")
