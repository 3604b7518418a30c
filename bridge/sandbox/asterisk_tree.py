"""Finds an Asterisk to run: the machine's own if it is recent enough, else Debian's, unpacked into a cache."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bridge.host import private_files
from bridge.sandbox.errors import SandboxError
from bridge.sandbox.host import apt_sources, system, user_folder
from bridge.sandbox.host.system import Say

SUITE = "forky"
SERIES, OLDEST = 22, (22, 10, 1)
PACKAGES = "asterisk,asterisk-core-sounds-en-gsm,asterisk-core-sounds-en-wav,asterisk-moh-opsound-wav"


@dataclass(frozen=True, slots=True)
class AsteriskTree:
    """The folders of an Asterisk, and the `command` that runs it: append Asterisk's own arguments."""

    version: str
    command: tuple[str, ...]
    modules: Path
    share: Path
    sounds: Path


def get(say: Say) -> AsteriskTree:
    """Return the machine's own Asterisk, else the cached one, else fetch one (about 400 MB; a minute or so).

    Raises SandboxError if it cannot be fetched. Two sandboxes that start at the same time fetch it once.
    """
    if tree := installed() or cached():
        return tree
    system.ensure(system.for_fetching_asterisk(), say)
    with _cache_locked():
        return cached() or _fetch(say)


def installed() -> AsteriskTree | None:
    """Return the machine's own Asterisk, if it is of series 22, recent enough, and has its English prompts."""
    binary = shutil.which("asterisk", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if binary is None:
        return None
    said = subprocess.run([binary, "-V"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"\d+(\.\d+)+", said)
    modules = [path for path in sorted(Path("/usr").glob("lib*/**/asterisk/modules")) if path.is_dir()]
    shares = [path for path in map(Path, ("/usr/share/asterisk", "/var/lib/asterisk")) if _prompts(path / "sounds/en")]
    if version is None or not modules or not shares or not _will_do(version.group()):
        return None
    return AsteriskTree(version.group(), (binary,), modules[0], shares[0], shares[0] / "sounds/en")


def cached() -> AsteriskTree | None:
    """Return the newest complete tree in the cache."""
    trees = [tree for path in sorted(user_folder.path().glob(f"asterisk-{SUITE}-*")) if (tree := unpacked(path))]
    return max(trees, key=lambda tree: _numbers(tree.version), default=None)


def unpacked(root: Path) -> AsteriskTree | None:
    """Return the Asterisk in a Debian tree, if it is completely installed and recent enough.

    It runs without chroot, by the tree's own loader and libraries.
    """
    version = _installed_version(root)
    loader = next(iter(sorted(root.glob("usr/lib/*/ld-linux-*.so.*"))), None)
    sounds = root / "usr/share/asterisk/sounds/en_US_f_Allison"
    if version is None or loader is None or not _will_do(version) or not _prompts(sounds):
        return None
    libraries = loader.parent
    command = (str(loader), "--library-path", f"{libraries}:{libraries}/asterisk", str(root / "usr/sbin/asterisk"))
    return AsteriskTree(version, command, libraries / "asterisk/modules", root / "usr/share/asterisk", sounds)


def _fetch(say: Say) -> AsteriskTree:
    mirror = apt_sources.mirror()
    for unfinished in user_folder.path().glob(".asterisk-*"):
        # Left by a fetch that was killed: nobody else fetches while this process holds the lock.
        shutil.rmtree(unfinished, ignore_errors=True)
    say(f"fetching Asterisk from Debian {SUITE}: once on this machine, about 400 MB unpacked, a minute or so")
    with tempfile.TemporaryDirectory(
        prefix=".asterisk-", dir=user_folder.path(), ignore_cleanup_errors=True
    ) as temporary:
        root = Path(temporary) / "tree"
        options = ['Acquire::Check-Valid-Until "false"', 'Apt::Install-Recommends "false"', *_proxies()]
        command = ["mmdebstrap", "--variant=apt", *(f"--aptopt={option}" for option in options)]
        command += [f"--include={PACKAGES}", SUITE, str(root), *([mirror] if mirror else [])]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        tree = unpacked(root) if result.returncode == 0 else None
        if tree is None:
            raise SandboxError(
                f"Asterisk could not be fetched from Debian {SUITE} ({mirror or 'the default mirror'}):\n"
                f"{result.stderr.strip()[-1500:]}\n"
                f"Set BRIDGE_DEBIAN_MIRROR to a Debian mirror that this machine can reach, or install an Asterisk "
                f"{SERIES} of at least {'.'.join(map(str, OLDEST))}, and try again."
            )
        home = user_folder.path() / f"asterisk-{SUITE}-{tree.version}"
        root.chmod(0o755)
        shutil.rmtree(home, ignore_errors=True)
        root.rename(home)
    moved = unpacked(home)
    assert moved is not None
    return moved


def _proxies() -> list[str]:
    said = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
    return [line.rstrip(";") for line in said.splitlines() if re.match(r"Acquire::https?::Proxy", line)]


@contextmanager
def _cache_locked() -> Iterator[None]:
    with private_files.lock_file(user_folder.made() / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _installed_version(root: Path) -> str | None:
    try:
        status = (root / "var/lib/dpkg/status").read_text(errors="replace")
    except OSError:
        return None
    stanza = next((part for part in status.split("\n\n") if part.startswith("Package: asterisk\n")), "")
    found = re.search(r"^Version: (?:\d+:)?(\d+(?:\.\d+)*)", stanza, re.MULTILINE)
    return found.group(1) if found and "Status: install ok installed" in stanza else None


def _will_do(version: str) -> bool:
    numbers = _numbers(version)
    return numbers[0] == SERIES and numbers >= OLDEST


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _prompts(folder: Path) -> bool:
    return any(folder.glob("conf-onlyperson.*"))
