"""Keeping the local directory fresh: it follows the numbered changes of Postgres, and reports uses of passcodes.

Each change of a passcode, room, account, number or known caller gets a number in its transaction, without gaps and in
order of commit, and sends NOTIFY. A notification only says that there is something to read: it is lost if the
connection is. The directory reads all changes after its own number. If some are missing, or the database is another
one, it reads everything into a new file, which then replaces the old one.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog

from bridge.domain import retry
from bridge.domain.errors import Unavailable
from bridge.storage import lmdb_file
from bridge.storage.directory import key_check, node_claim, source
from bridge.storage.directory.file import DirectoryFile, Mark, Replacement
from bridge.storage.directory.node_claim import NodeClaim
from bridge.storage.directory.source import CHUNK, DatabaseSnapshot, RowChanges
from bridge.storage.directory.uses import UsesFile
from bridge.storage.postgres.database import Database
from bridge.usecases.provisioning.ports import Keys

log = structlog.get_logger()

PING_S: Final = 5.0
"""Without a notification for so long, the changes are read anyway: a dead connection may notify nobody."""
GATHER_S: Final = 0.02
"""After a notification so much time passes before the changes are read, so that one reading serves many."""
PACE_S: Final = 0.01
"""While several callers of `catch_up` wait, readings begin at least so far apart."""
LAG_S: Final = PING_S + 2.0
"""A directory that was fresh so long ago still counts as fresh."""
PRUNE_S: Final = 3600.0
FIRST_RETRY_S: Final = 0.1
LONGEST_RETRY_S: Final = 2.0
ONLY_NUMBERS: Final = -1
"""The number in a mark of a directory that has access numbers, but no passcodes yet."""
Result = TypeVar("Result")


def path_in(state_dir: Path) -> Path:
    """Return the path of the directory's file in the state folder."""
    return state_dir / "directory.lmdb"


class FollowingDirectory:
    """The files of a directory, and the one task that writes them.

    The first time that Postgres answers, `run` raises Conflict if the keys are not those of the installation.
    """

    def __init__(self, database: Database, state_dir: Path, keys: Keys, node: str, now_us: Callable[[], int]) -> None:
        self._database = database
        self._node = node
        self._now_us = now_us
        self._path = path_in(state_dir)
        self._file = DirectoryFile(self._path, keys.checks)
        self._keys = keys
        self._key_confirmed = False
        self._uses = UsesFile(state_dir / "uses.lmdb")
        # Rows of uses that were read from Postgres by `confirm`, because the file lacks the code yet; with their
        # change.
        self._confirmed: dict[bytes, tuple[bytes, int]] = {}
        self._node_claim = NodeClaim(node)
        # Writing takes long: one thread does it, so that the event loop goes on.
        self._writer = ThreadPoolExecutor(1, "directory")
        self._lock = asyncio.Lock()
        self._notified = asyncio.Event()
        self.trunks_changed = asyncio.Event()
        """Set when trunks may have changed. Whoever waits for it clears it."""
        self._rounds = 0
        self._began_at = 0.0
        self._asking = 0
        self._round_done = 0
        self._fresh_at: float | None = None
        self._hears = False
        self._started_at = time.monotonic()
        self._pruned_at: float | None = None
        self._trouble = "not read from Postgres yet"

    # --- Its own state --------------------------------------------------------------------------------------------
    @property
    def fresh(self) -> bool:
        """Return True if the directory has every change that Postgres had a moment ago."""
        return self._hears and self.age_s() <= LAG_S and not self._notified.is_set() and not self._lock.locked()

    @property
    def change(self) -> int | None:
        """The number of the last change that the directory has; None if it was never filled."""
        mark = self._file.mark
        return mark.number if mark and mark.number != ONLY_NUMBERS else None

    @property
    def not_ready(self) -> str | None:
        """The reason why this node must not admit callers now; None if it may."""
        if self._file.mark is None:
            return f"the directory of passcodes was never filled: {self._trouble}"
        return self._node_claim.refusal

    def age_s(self) -> float:
        """Return the seconds since the directory was last known to be fresh, or since the start."""
        return time.monotonic() - (self._fresh_at or self._started_at)

    def health(self) -> tuple[bool, str]:
        """Return whether the directory can serve callers, and a line about it for readyz."""
        if self.change is None:
            return False, f"not filled yet: {self._trouble}"
        if self._hears and self.age_s() <= LAG_S:
            return True, f"fresh, at change {self.change}"
        return True, f"serves what it knew {self.age_s():.0f} s ago, at change {self.change}: {self._trouble}"

    # --- Keeping it fresh -----------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Follow Postgres for ever, whatever happens to it."""
        delays = retry.delays(FIRST_RETRY_S, LONGEST_RETRY_S, random.random)
        while True:
            before = self._fresh_at
            try:
                await self._follow()
            except (Unavailable, OSError) as error:
                self._hears = False
                if str(error) != self._trouble:
                    log.warning("directory_stale", error=str(error), mend="serving what is known; retrying")
                self._trouble = str(error)
            if self._fresh_at != before:
                delays = retry.delays(FIRST_RETRY_S, LONGEST_RETRY_S, random.random)
            await asyncio.sleep(next(delays))

    async def catch_up(self) -> None:
        """Apply every change that was committed before this call.

        If Postgres is lost meanwhile, `run` does it later.
        """
        try:
            await self._catch_up()
        except Unavailable as error:
            self._trouble = str(error)
            self._notified.set()

    async def close(self) -> None:
        """Close the files. `run` must have ended."""
        await self._on_writer(self._file.close)
        self._writer.shutdown()
        await self._uses.close()

    async def _follow(self) -> None:
        async with self._database.connection(node_claim.application(self._node)) as connection:
            if not self._key_confirmed:
                await key_check.confirm(self._database, self._keys)
                self._key_confirmed = True
            await connection.add_listener(source.CHANNEL, self._on_notification)
            connection.add_termination_listener(self._on_notification)
            while not connection.is_closed():
                self._notified.clear()
                await self._node_claim.claim(connection)
                await self._catch_up()
                self._hears = True
                await self._prune()
                try:
                    async with asyncio.timeout(PING_S):
                        await self._notified.wait()
                        # One round serves all that come now. A change by this node's REST does not wait: it calls
                        # `catch_up`.
                        await asyncio.sleep(GATHER_S)
                except TimeoutError:
                    await connection.execute("SELECT 1", timeout=PING_S)
        raise Unavailable(f"The connection to Postgres at {self._database.url.where} was lost")

    def _on_notification(self, *_: object) -> None:
        self._notified.set()

    async def _catch_up(self) -> None:
        self._asking += 1
        try:
            await self._round()
        finally:
            self._asking -= 1

    async def _round(self) -> None:
        asked = self._rounds
        async with self._lock:
            if self._round_done > asked:
                # While this call waited for the lock, another round began after it and ended: it has all of it.
                return
            if self._asking > 1:
                # Several callers wait: a short pause lets one round serve all of them.
                await asyncio.sleep(max(0.0, self._began_at + PACE_S - time.monotonic()))
            self._rounds += 1
            began = self._began_at = time.monotonic()
            # Uses first: the figures that are read next then count them.
            await self._report_uses()
            async with self._database.snapshot() as connection:
                theirs, ours = await source.mark(connection), self._file.mark
                known = ours is not None and ours.database_id == theirs.database_id
                if known and ours == theirs:
                    changes: RowChanges | None = {}
                elif ours is not None and known and ours.number != ONLY_NUMBERS:
                    changes = await source.changed_rows(connection, ours.number, theirs.number)
                else:
                    changes = None
            if changes is None or "trunks" in changes:
                self.trunks_changed.set()
            if changes is None:
                await self._refill()
            elif ours != theirs:
                await self._on_writer(self._file.write, changes, theirs)
            self._uses.settle(theirs.number)
            self._confirmed.clear()
            self._fresh_at = began
            self._round_done = self._rounds

    async def _report_uses(self) -> None:
        unreported = self._uses.unreported
        for start in range(0, len(unreported), CHUNK):
            part = unreported[start : start + CHUNK]
            async with self._database.transaction() as connection:
                change = await source.report_uses(connection, part)
            if change is None:
                return
            await self._uses.mark_reported(part, change)

    async def _refill(self) -> None:
        """Read everything into a new file, while the old one goes on serving.

        If there is nothing to serve yet, the access numbers are written first: calls are then answered, and each code
        is looked up in Postgres.
        """
        async with (
            self._database.connection("bridge directory") as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            everything = DatabaseSnapshot(connection)
            mark, ours = await everything.mark(), self._file.mark
            if ours is None:
                await self._on_writer(
                    self._file.write, await everything.of_numbers(), Mark(mark.database_id, ONLY_NUMBERS)
                )
            elif ours.database_id != mark.database_id or ours.number > mark.number:
                # Another database, or a backup of this one: it may lack uses that its predecessor had.
                self._uses.report_all_again()
                self._notified.set()
            async with self._replacement() as replacement:
                async for table, rows in everything.rows():
                    await self._on_writer(replacement.add, table, rows)
                await self._on_writer(replacement.finish, self._file.packed(mark))
            with lmdb_file.translated(self._path):
                close_former = self._file.replace(replacement, mark)
            await self._on_writer(close_former)
        log.info("directory_filled", number=mark.number)

    @asynccontextmanager
    async def _replacement(self) -> AsyncIterator[Replacement]:
        begun = self._writer.submit(self._file.replacement)
        try:
            with lmdb_file.translated(self._path):
                replacement = await asyncio.wrap_future(begun)
            yield replacement
        except BaseException:
            if not begun.cancelled():
                self._writer.submit(lambda: begun.result().drop())
            raise

    async def _prune(self) -> None:
        if self._pruned_at is None or time.monotonic() - self._pruned_at > PRUNE_S:
            self._pruned_at = time.monotonic()
            async with self._database.transaction() as connection:
                await source.prune(connection)
            await self._uses.prune(self._file.mark.number if self._file.mark else ONLY_NUMBERS, self._now_us())

    async def _on_writer(self, work: Callable[..., Result], *given: Any) -> Result:
        with lmdb_file.translated(self._path):
            return await asyncio.get_running_loop().run_in_executor(self._writer, work, *given)
