"""A private Asterisk: its folder, configuration, process and command line. Also runs commands of the product."""

import hashlib
import os
import shlex
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.sandbox import certificate
from bridge.sandbox.asterisk_tree import AsteriskTree
from bridge.sandbox.errors import SandboxError, tail
from bridge.sandbox.host import processes, sockets, user_folder
from bridge.sandbox.host.processes import Process

PROJECT = Path(__file__).resolve().parents[2]
FOLDERS = ("etc", "varlib", "db", "keys", "agi", "sbin", "spool", "run", "log", "journal", "data/sounds")
SHARED = ("moh", "documentation", "static-http", "rest-api", "firmware", "phoneprov")
# The path of a unix socket has room for 107 bytes. The journal's path has room for 79, because it is also the name of a
# section of Asterisk's configuration: Asterisk cuts a longer one silently, and then writes the journal elsewhere.
LONGEST_HOME = min(107 - len("/run/asterisk.ctl"), 79 - len("/journal/cel.jsonl"))
LISTENING_S = 15.0
"""After its boot, Asterisk has bound all its ports within this time."""


@dataclass(frozen=True, slots=True)
class Node:
    """An Asterisk in `folder`. `home` leads to the same folder by a path that is short enough for Asterisk."""

    folder: Path
    home: Path
    tree: AsteriskTree

    @property
    def etc(self) -> Path:
        """The folder of its configuration."""
        return self.home / "etc"

    @property
    def data(self) -> Path:
        """The folder of its sounds, music and documentation."""
        return self.home / "data"

    @property
    def journal(self) -> Path:
        """The file that Asterisk appends channel events to; its folder exists."""
        return self.home / "journal" / "cel.jsonl"

    @property
    def tls(self) -> Path:
        """The folder of its certificate for SIP over TLS."""
        return self.home / "tls"

    @property
    def process(self) -> Process | None:
        """The running Asterisk, if any. Recognised by its environment: the process is named after its loader."""
        return next(iter(processes.carrying(self.folder, "asterisk")), None)

    @property
    def command(self) -> tuple[str, ...]:
        """The command that starts this Asterisk. With `-rx LINE` after it, it runs LINE in the running one."""
        return (*self.tree.command, "-C", str(self.etc / "asterisk.conf"))

    def render(self, environment: Mapping[str, str]) -> None:
        """Write Asterisk's configuration by `bridge asterisk render`, with the `BRIDGE_*` settings in `environment`."""
        certificate.ensure(self.tls)
        bridge(("asterisk", "render", str(self.etc)), environment)

    def let_load(self, *modules: str) -> None:
        """Let Asterisk load these modules besides those that the bridge needs. `render` takes that back."""
        for module in modules:
            link = self.etc / "modules" / module
            if not link.is_symlink():
                link.symlink_to(self.tree.modules / module)

    def start(
        self,
        keep: Sequence[int] = (),
        patience: float = 30.0,
        listening: Collection[tuple[str, int]] = (),
    ) -> Process:
        """Start Asterisk if it is not running, and return once it has booted fully.

        `keep` are descriptors that it inherits. `listening` are (protocol, port) that it must have bound. This is
        checked here, because Asterisk itself only logs an error and goes on if a port is in use. Raises SandboxError
        with the end of Asterisk's log.
        """
        process = self.process
        if process is None:
            marks = {"BRIDGE_SANDBOX": str(self.folder), "BRIDGE_SANDBOX_PART": "asterisk"}
            process = processes.spawn([*self.command, "-f"], {**os.environ, **marks}, self.folder / "log/console", keep)
        booted = processes.wait_until(lambda: not process.alive() or self.booted(), patience)
        if not process.alive() or not booted:
            raise self._stopped(f"did not boot in {patience:.0f} s")
        required = set(listening)
        if not processes.wait_until(lambda: required <= sockets.bound(process), LISTENING_S):
            raise self._stopped(_unbound(required, sockets.bound(process)))
        return process

    def kill(self) -> None:
        """Kill Asterisk by SIGKILL, and wait until it has ended."""
        for process in processes.carrying(self.folder, "asterisk"):
            process.kill()

    def _stopped(self, problem: str) -> SandboxError:
        """Stop Asterisk, and return an error with the end of its log."""
        self.stop()
        messages = self.folder / "log/messages"
        return SandboxError(
            f"Asterisk {self.tree.version} {problem}.\n"
            f"  {messages} ends:\n{tail(messages)}\n  Its console ends:\n{tail(self.folder / 'log/console', 5)}"
        )

    def booted(self) -> bool:
        """Return True if Asterisk answers its command line and is ready for calls."""
        try:
            return "fully booted" in self.cli("core waitfullybooted")
        except SandboxError:
            return False

    def cli(self, line: str, patience: float = 10.0) -> str:
        """Run a line on Asterisk's command line, and return its output. Raises SandboxError if that fails."""
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
            raise SandboxError(f"Asterisk could not run `{line}`: {(result.stdout + result.stderr).strip()}")
        return result.stdout

    def write_cli(self, path: Path) -> None:
        """Write a script to `path` that passes its arguments to Asterisk's command line."""
        path.write_text(f'#!/bin/sh\nexec {shlex.join(self.command)} -rx "$*"\n')
        path.chmod(0o700)

    def stop(self, patience: float = 20.0) -> None:
        """Stop Asterisk by SIGTERM, which ends calls in good order, and by SIGKILL after `patience` seconds."""
        for process in processes.carrying(self.folder, "asterisk"):
            process.stop(patience)

    def remove(self) -> None:
        """Stop Asterisk, and delete the short link to its folder. The folder itself stays."""
        self.stop()
        if self.home != self.folder:
            self.home.unlink(missing_ok=True)


def at(folder: Path, tree: AsteriskTree) -> Node:
    """Return the node in `folder`. Makes its folders, and links its data to that of `tree`. Raises SandboxError."""
    folder = folder.resolve()
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True, mode=0o750)
    for name in SHARED:
        _relink(folder / "data" / name, tree.share / name)
    # Debian's own link `en` is absolute: outside a chroot it leads nowhere.
    _relink(folder / "data/sounds/en", tree.sounds)
    home = folder
    if len(os.fsencode(folder)) > LONGEST_HOME:
        home = user_folder.made() / hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
        if len(os.fsencode(home)) > LONGEST_HOME:
            raise SandboxError(
                f"Asterisk takes at most {LONGEST_HOME} bytes of path, and neither {folder} nor the link {home} to it "
                "is so short: use a sandbox folder with a shorter path."
            )
        _relink(home, folder)
    return Node(folder, home, tree)


def bridge(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a command of the product, and return its output. Raises SandboxError with its error output if it fails."""
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
        output = (result.stderr or result.stdout).strip()[-1500:]
        raise SandboxError(f"`bridge {' '.join(words)}` failed:\n{output}")
    return result.stdout


def _relink(link: Path, target: Path) -> None:
    if link.is_symlink() and link.readlink() == target:
        return
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    except OSError as error:
        raise SandboxError(f"The link {link} to {target} could not be made: {error.strerror}.") from error


def _unbound(required: set[tuple[str, int]], bound: set[tuple[str, int]]) -> str:
    """Say which ports are not bound, and which are."""
    missing, others = (
        ", ".join(f"{protocol} port {port}" for protocol, port in sorted(ports)) for ports in (required - bound, bound)
    )
    return (
        f"could not listen on {missing}: if another process uses it, stop that and try again. "
        f"It listens on {others or 'nothing'}"
    )
