"""One private Asterisk: its folder, its configuration, its process and its command line."""

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.sandbox.asterisk_tree import AsteriskTree
from bridge.sandbox.errors import SandboxError, tail
from bridge.sandbox.host import processes, sockets
from bridge.sandbox.host.processes import Process

PROJECT = Path(__file__).resolve().parents[2]
FOLDERS = ("etc", "varlib", "db", "keys", "agi", "sbin", "spool", "run", "log", "journal", "data/sounds")
SHARED = ("moh", "documentation", "static-http", "rest-api", "firmware", "phoneprov")
# The path of a unix socket has room for 107 bytes. The name of a section of Asterisk's configuration, as which the
# path of the journal serves, for 79: a longer one is cut without a word, and the journal goes elsewhere or nowhere.
LONGEST_HOME = min(107 - len("/run/asterisk.ctl"), 79 - len("/journal/cel.jsonl"))


@dataclass(frozen=True, slots=True)
class Node:
    """A node in `folder`. `home` is the same folder under a name short enough for Asterisk."""

    folder: Path
    home: Path
    tree: AsteriskTree

    @property
    def etc(self) -> Path:
        """Folder of the configuration."""
        return self.home / "etc"

    @property
    def data(self) -> Path:
        """Folder of sounds, music and documentation."""
        return self.home / "data"

    @property
    def journal(self) -> Path:
        """The file that Asterisk appends channel events to; its folder exists."""
        return self.home / "journal" / "cel.jsonl"

    @property
    def process(self) -> Process | None:
        """The running Asterisk; its name is that of the loader, so it is known by its environment."""
        return next(iter(processes.carrying(self.folder, "asterisk")), None)

    @property
    def command(self) -> tuple[str, ...]:
        """What runs this node's Asterisk, or with `-rx LINE` its command line."""
        return (*self.tree.command, "-C", str(self.etc / "asterisk.conf"))

    def render(self, environment: Mapping[str, str]) -> None:
        """Write the product's configuration, by `bridge asterisk render` under these `BRIDGE_*` settings."""
        bridge(("asterisk", "render", str(self.etc)), environment)

    def start(
        self,
        keep: Sequence[int] = (),
        patience: float = 30.0,
        listening: Collection[tuple[str, int]] = (),
    ) -> Process:
        """Start Asterisk if it is not running, and return once it has booted fully.

        `keep` are descriptors that it inherits; `listening` are ("udp" or "tcp", port) that it must have bound: to
        Asterisk, a port in use is an error line and no reason to stop. Raises SandboxError with the end of its log.
        """
        process = self.process
        if process is None:
            marks = {"BRIDGE_SANDBOX": str(self.folder), "BRIDGE_SANDBOX_PART": "asterisk"}
            process = processes.spawn([*self.command, "-f"], {**os.environ, **marks}, self.folder / "log/console", keep)
        booted = processes.wait_until(lambda: not process.alive() or self.booted(), patience)
        if not process.alive() or not booted:
            raise self._gives_up(f"did not boot in {patience:.0f} s")
        wanted = set(listening)
        if not processes.wait_until(lambda: wanted <= sockets.bound(process), 5.0):
            missing = ", ".join(f"{kind} port {port}" for kind, port in sorted(wanted - sockets.bound(process)))
            raise self._gives_up(f"could not listen on {missing}: in use by another process? Stop that and try again")
        return process

    def kill(self) -> None:
        """kill -9."""
        for process in processes.carrying(self.folder, "asterisk"):
            process.kill()

    def _gives_up(self, what: str) -> SandboxError:
        self.stop()
        messages = self.folder / "log/messages"
        return SandboxError(
            f"Asterisk {self.tree.version} {what}.\n"
            f"  {messages} ends:\n{tail(messages)}\n  Its console ends:\n{tail(self.folder / 'log/console', 5)}"
        )

    def booted(self) -> bool:
        """Whether it answers its command line and is ready for calls."""
        try:
            return "fully booted" in self.cli("core waitfullybooted")
        except SandboxError:
            return False

    def cli(self, line: str, patience: float = 10.0) -> str:
        """Asterisk's answer to a CLI line. Raises SandboxError when it does not answer."""
        try:
            result = subprocess.run(
                [*self.command, "-rx", line],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=patience,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise SandboxError(f"Asterisk did not answer `{line}` in {patience:.0f} s.") from error
        if result.returncode != 0:
            raise SandboxError(f"Asterisk did not take `{line}`: {(result.stdout + result.stderr).strip()}")
        return result.stdout

    def write_cli(self, path: Path) -> None:
        """Write a command that passes its argument to Asterisk's command line."""
        path.write_text(f'#!/bin/sh\nexec {shlex.join(self.command)} -rx "$*"\n')
        path.chmod(0o700)

    def stop(self, patience: float = 20.0) -> None:
        """SIGTERM, which ends calls in good order; SIGKILL after `patience` seconds."""
        for process in processes.carrying(self.folder, "asterisk"):
            process.stop(patience)

    def remove(self) -> None:
        """Stop it and delete the short name of its folder; the folder itself is the caller's."""
        self.stop()
        if self.home != self.folder:
            self.home.unlink(missing_ok=True)


def at(folder: Path, tree: AsteriskTree) -> Node:
    """The node in `folder`, with its folders made and its data folder linked to the tree's."""
    folder = folder.resolve()
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True, mode=0o750)
    for name in SHARED:
        _relink(folder / "data" / name, tree.share / name)
    # Debian's own link `en` is absolute and dangles outside a chroot.
    _relink(folder / "data/sounds/en", tree.sounds)
    home = folder
    if len(os.fsencode(folder)) > LONGEST_HOME:
        home = Path(tempfile.gettempdir()) / f"bridge-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
        _relink(home, folder)
        if home.lstat().st_uid != os.geteuid():
            raise SandboxError(f"{home} belongs to somebody else; use a sandbox folder with a shorter path.")
    return Node(folder, home, tree)


def bridge(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a command of the product prints. Raises SandboxError with what it said when it fails."""
    command = [sys.executable, "-m", "bridge", *words]
    try:
        result = subprocess.run(
            command,
            cwd=PROJECT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"`bridge {' '.join(words)}` did not end in 120 s.") from error
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()[-1500:]
        raise SandboxError(f"`bridge {' '.join(words)}` failed:\n{said}")
    return result.stdout


def _relink(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    except OSError as error:
        raise SandboxError(f"{link} could not be linked to {target}: {error.strerror}.") from error
