"""The daemon of a sandbox: the command that becomes it, and what the sandbox asks it over HTTP."""

import json
import shlex
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bridge.sandbox import private_folder
from bridge.sandbox.errors import SandboxError
from bridge.sandbox.node import PROJECT

# A proxy that the environment names must not be used for addresses of this machine.
DIRECTLY: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def write_command(home: Path, settings: Mapping[str, str]) -> Path:
    """Write the script that becomes the daemon, with its environment in it, and return its path."""
    marks = {"BRIDGE_SANDBOX": str(home), "BRIDGE_SANDBOX_PART": "daemon"}
    variables = {**settings, "PYTHONPATH": str(PROJECT), **marks}
    exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in variables.items())
    become = shlex.join([sys.executable, "-m", "bridge", "serve"])
    path = home / "daemon"
    private_folder.write(path, f"#!/bin/sh\n{exports}cd {shlex.quote(str(PROJECT))}\nexec {become}\n", mode=0o700)
    return path


def ready(probes_url: str) -> bool:
    """Return True if the daemon says that all its parts are ready."""
    try:
        with DIRECTLY.open(f"{probes_url}/readyz", timeout=2):
            return True
    except OSError:
        return False


def ensure_access_number(api_url: str, operator_key: str, number: str) -> None:
    """Create an access number through REST, unless it exists already. Raises SandboxError."""
    request = urllib.request.Request(  # noqa: S310 -- always http, on loopback
        f"{api_url}/v1/access-numbers",
        json.dumps({"number": number}).encode(),
        {"Authorization": f"Bearer {operator_key}", "Content-Type": "application/json"},
    )
    try:
        with DIRECTLY.open(request, timeout=10):
            return
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 409:
                return
            text = error.read().decode(errors="replace")[:500]
        raise SandboxError(f"The daemon refused the access number {number}: {error.code} {text}") from error
    except OSError as error:
        raise SandboxError(f"The daemon does not answer at {api_url}: {error}") from error
