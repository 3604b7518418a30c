"""The one way in which the sandbox fails."""

from pathlib import Path

from bridge.domain.errors import BridgeError


class SandboxError(BridgeError):
    """A step of the sandbox failed; the message says which, why, and how to mend it."""


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, indented, to be put under a message; a note when there is none."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        text = ""
    last = text.splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in last) or f"    ({path} is empty)"
