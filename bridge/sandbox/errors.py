"""The exception that every part of the sandbox raises, and the end of a log to put into its message."""

from pathlib import Path

from bridge.domain.errors import BridgeError


class SandboxError(BridgeError):
    """A step of the sandbox failed. The message says which step, why, and how to mend it."""


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a log, indented to stand below a message. Of an empty or missing log, return a note."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        text = ""
    last = text.splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in last) or f"    ({path} is empty)"
