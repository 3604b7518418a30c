"""Requirements of the sandbox on the system: Debian packages, and the right to send telephone events."""

import fcntl
import os
import shlex
import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.host import private_files
from bridge.sandbox.errors import SandboxError
from bridge.sandbox.host import user_folder

Say = Callable[[str], None]
CAP_NET_RAW = 1 << 13
INSTALLING = "installing.lock"
"""The process that installs packages holds a lock on this file in the user's folder. apt-get's own lock is not enough:
apt-get does not wait while another one updates the package lists."""
DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package, why it is needed, and whether the program or file it provides is present."""

    name: str
    why: str
    present: bool


def for_callers() -> list[Package]:
    """Return the packages that placing calls needs."""
    return [Package("sip-tester", "SIPp places the calls", shutil.which("sipp") is not None)]


def for_fetching_asterisk() -> list[Package]:
    """Return the packages that unpacking Debian's Asterisk needs, on a machine that has no Asterisk of its own."""
    return [
        Package("mmdebstrap", "it unpacks Asterisk from Debian", shutil.which("mmdebstrap") is not None),
        Package("debian-archive-keyring", "it proves that the packages are Debian's", DEBIAN_KEYRING.exists()),
    ]


def ensure(packages: Sequence[Package], say: Say) -> None:
    """Install the missing packages, if this process is root's.

    Raises SandboxError with the exact command if it is not, or if apt-get fails.
    """
    missing = [package for package in packages if not package.present]
    if not missing:
        return
    names = [package.name for package in missing]
    reasons = "; ".join(f"{package.name}: {package.why}" for package in missing)
    # Others may be installing at the same moment: wait for apt's lock.
    install = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends", *names]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SandboxError(f"System packages are missing ({reasons}).\nRun this once: sudo {shlex.join(install)}")
    say(f"installing system packages ({reasons})")
    with private_files.lock_file(user_folder.made() / INSTALLING) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = _quietly(install)
        if result.returncode != 0:
            # Package lists that are absent or out of date are the usual reason.
            _quietly([*install[:3], "update"])
            result = _quietly(install)
    if result.returncode != 0:
        raise SandboxError(
            f"`{shlex.join(install)}` failed. Correct this and try again:\n{result.stderr.strip()[-1500:]}"
        )


def _quietly(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def ensure_telephone_events() -> None:
    """Check that SIPp may send RFC 4733 digits. It needs a raw socket: root has that right, or SIPp's file gives it.

    Raises SandboxError with the exact command that gives the right.
    """
    if not may_send_telephone_events():
        raise SandboxError(
            "SIPp sends RFC 4733 digits through a raw socket, and may not open one.\n"
            f"Run this once: sudo setcap cap_net_raw+ep {_sipp()}\n"
            "Callers that send digits by SIP INFO or as tones do not need this."
        )


def may_send_telephone_events() -> bool:
    """Return True if a SIPp that this process starts can send RFC 4733 digits."""
    status = Path("/proc/self/status").read_text()
    effective = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
    if effective & CAP_NET_RAW:
        return True
    try:
        # struct vfs_cap_data: magic, then the low words of the permitted and the inheritable set.
        permitted: int = struct.unpack_from("<II", os.getxattr(_sipp(), "security.capability"))[1]
    except OSError:
        return False
    return bool(permitted & CAP_NET_RAW)


def _sipp() -> str:
    return os.path.realpath(shutil.which("sipp") or "/usr/bin/sipp")
