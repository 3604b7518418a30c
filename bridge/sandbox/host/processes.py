"""Processes that outlive the command that started them, and are found again by their environment.

Each process of a sandbox has `BRIDGE_SANDBOX=FOLDER` and `BRIDGE_SANDBOX_PART=NAME` in its environment. Unlike a pid
file, this is never out of date, and it also finds a daemon that somebody started by the sandbox's own command.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.sandbox.errors import SandboxError


@dataclass(frozen=True, slots=True)
class Process:
    """A process. `started` (clock ticks since boot) distinguishes it from a later one with the same pid."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Return True if the process still runs. A zombie, which has ended and was not waited for, does not."""
        _reap(self.pid)
        return _started(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def wait(self, patience: float) -> bool:
        """Wait for the end of the process, at most `patience` seconds. Return True if it has ended."""
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if self.alive():
                select.select([handle], [], [], patience)
        finally:
            os.close(handle)
        return not self.alive()

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end of the process, at most 5 s."""
        self.send(signal.SIGKILL)
        self.wait(5.0)

    def stop(self, patience: float = 20.0) -> None:
        """Send SIGTERM, and SIGKILL if the process still runs after `patience` seconds."""
        # A process that was stopped by SIGSTOP would not receive SIGTERM.
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        if not self.wait(patience):
            self.kill()


def of(pid: int) -> Process | None:
    """Return the process that has this pid now, or None."""
    started = _started(pid)
    return None if started is None else Process(pid, started)


def spawn(command: Sequence[str], environment: Mapping[str, str], log: Path, keep: Sequence[int] = ()) -> Process:
    """Start a process in a session of its own, with empty standard input and its output appended to `log`.

    The process inherits the descriptors in `keep`, and so holds their locks as long as it lives. Raises SandboxError.
    """
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    for descriptor in keep:
        os.set_inheritable(descriptor, True)
    try:
        pid = os.posix_spawn(command[0], list(command), dict(environment), file_actions=actions, setsid=True)
    except OSError as error:
        raise SandboxError(f"{command[0]} could not be started: {error.strerror}.") from error
    finally:
        for descriptor in keep:
            os.set_inheritable(descriptor, False)
    return of(pid) or Process(pid, -1)


def carrying(folder: Path, part: str) -> list[Process]:
    """Return the processes of one part of the sandbox in `folder`, the oldest first."""
    marks = {f"BRIDGE_SANDBOX={folder}".encode(), f"BRIDGE_SANDBOX_PART={part}".encode()}
    return _select(lambda proc: marks <= set((proc / "environ").read_bytes().split(b"\0")))


def within(folder: Path) -> list[Process]:
    """Return the processes whose working directory is `folder`, the oldest first."""
    return _select(lambda proc: (proc / "cwd").readlink() == folder)


def wait_until(met: Callable[[], bool], patience: float) -> bool:
    """Call `met` every 30 ms, for at most `patience` seconds, until it returns True. Return True if it did."""
    return any(met() for _ in _moments(patience))


def _moments(patience: float) -> Iterator[None]:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        yield
        time.sleep(0.03)


def _select(matches: Callable[[Path], bool]) -> list[Process]:
    found = []
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            process = of(int(proc.name)) if matches(proc) else None
        except OSError:
            continue
        if process is not None and process.alive():
            found.append(process)
    return sorted(found, key=lambda process: (process.started, process.pid))


def _started(pid: int) -> int | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    # A zombie has ended only if it has one thread left. In a process that was killed, the first thread may be a zombie
    # while other threads still hold its sockets and locks.
    ended = fields[0] in "ZX" and int(fields[17]) <= 1
    return None if ended else int(fields[19])


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
