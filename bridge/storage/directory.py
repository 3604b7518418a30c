"""The local directory of passcodes and access numbers: answers from this machine, kept fresh from Postgres."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import lmdb
import structlog

from bridge.domain import passcode
from bridge.domain.admission import Entry
from bridge.domain.errors import Unavailable
from bridge.storage import directory_source, nodes
from bridge.storage.database import Database
from bridge.storage.directory_file import DirectoryFile, Mark, Writing, entry_of
from bridge.storage.directory_source import Everything, News

log = structlog.get_logger()

PING_S: Final = 5.0
LAG_S: Final = PING_S + 2.0
CONFIRM_S: Final = 0.5
PRUNE_S: Final = 3600.0
RETRY_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
ONLY_NUMBERS: Final = -1
Result = TypeVar("Result")


class LocalDirectory:
    """Implements ports.Directory. `run` keeps it fresh; without it, it stays as the file on disk has it."""

    def __init__(self, database: Database, state_dir: Path, lookup_key: bytes, node: str) -> None:
        self._database = database
        self._key = lookup_key
        self._node = node
        self._file = DirectoryFile(state_dir / "directory.lmdb", lookup_key)
        self._charge = nodes.Charge(node)
        # LMDB wants a writing to end in the thread that began it.
        self._writer = ThreadPoolExecutor(1, "directory")
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()
        self._rounds = 0
        self._round_done = 0
        self._fresh_at: float | None = None
        self._hears = False
        self._started_at = time.monotonic()
        self._pruned_at: float | None = None
        self._trouble = "not read from Postgres yet"

    # --- Answers --------------------------------------------------------------------------------------------------
    def find(self, digits: str) -> Entry | None:
        return self._file.find(passcode.digest(digits, self._key))

    def longest(self) -> int:
        return self._file.mark.longest if self._file.mark else 0

    def serves(self, number: str) -> bool:
        return self._file.serves(number)

    async def confirm(self, digits: str) -> Entry | None:
        if self.fresh:
            return None
        digest = passcode.digest(digits, self._key)
        try:
            async with asyncio.timeout(CONFIRM_S), self._database.transaction() as connection:
                found = await directory_source.entries(connection, [digest])
        except (Unavailable, TimeoutError):
            return None
        return entry_of(found[digest]) if found else None

    # --- Its own state --------------------------------------------------------------------------------------------
    @property
    def fresh(self) -> bool:
        """Whether it holds all that Postgres had a moment ago."""
        return self._hears and self.age_s() <= LAG_S and not self._news.is_set() and not self._lock.locked()

    @property
    def number(self) -> int | None:
        """The number of the last change it knows; None before it was ever filled."""
        mark = self._file.mark
        return mark.number if mark and mark.number != ONLY_NUMBERS else None

    @property
    def not_ready(self) -> str | None:
        """Why this node must not admit callers now, if so."""
        if self._file.mark is None:
            return f"the directory of passcodes was never filled: {self._trouble}"
        return self._charge.refusal

    def age_s(self) -> float:
        """Seconds since it was known to be fresh, or since the start."""
        return time.monotonic() - (self._fresh_at or self._started_at)

    def health(self) -> tuple[bool, str]:
        """Whether it can serve callers, and what is to be said of it."""
        if self.number is None:
            return False, f"not filled yet: {self._trouble}"
        if self._hears and self.age_s() <= LAG_S:
            return True, f"fresh, at change {self.number}"
        return True, f"serves what it knew {self.age_s():.0f} s ago, at change {self.number}: {self._trouble}"

    # --- Keeping it fresh -----------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Follow Postgres for ever, whatever happens to it."""
        tries = 0
        while True:
            before = self._fresh_at
            try:
                await self._follow()
            except (Unavailable, lmdb.Error, OSError) as error:
                self._hears = False
                if str(error) != self._trouble:
                    log.warning("directory_stale", error=str(error), mend="serving what is known; retrying")
                self._trouble = str(error)
            tries = 0 if self._fresh_at != before else tries + 1
            await asyncio.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])

    async def catch_up(self) -> None:
        """Apply all that was committed before this call, now. If Postgres is lost meanwhile, `run` does it later."""
        try:
            await self._catch_up()
        except Unavailable as error:
            self._trouble = str(error)
            self._news.set()

    async def close(self) -> None:
        """Let go of the file. `run` must have ended."""
        await self._on_writer(self._file.close)
        self._writer.shutdown()

    async def _follow(self) -> None:
        async with self._database.connection(nodes.application(self._node)) as connection:
            await connection.add_listener(directory_source.CHANNEL, self._notified)
            connection.add_termination_listener(self._notified)
            while not connection.is_closed():
                self._news.clear()
                await self._charge.claim(connection)
                await self._catch_up()
                self._hears = True
                await self._prune()
                try:
                    async with asyncio.timeout(PING_S):
                        await self._news.wait()
                except TimeoutError:
                    await connection.execute("SELECT 1", timeout=PING_S)
        raise Unavailable(f"The connection to Postgres at {self._database.url.where} was lost")

    def _notified(self, *_: object) -> None:
        self._news.set()

    async def _catch_up(self) -> None:
        asked = self._rounds
        async with self._lock:
            if self._round_done > asked:
                # A round that began after we asked has ended while we waited.
                return
            self._rounds += 1
            began = time.monotonic()
            async with self._database.snapshot() as connection:
                theirs, ours = await directory_source.mark(connection), self._file.mark
                known = ours is not None and ours.database_id == theirs.database_id
                if known and ours == theirs:
                    news: News | None = News({}, {})
                elif ours is not None and known and ours.number != ONLY_NUMBERS:
                    news = await directory_source.news(connection, ours.number, theirs.number)
                else:
                    news = None
            if news is None:
                await self._refill()
            elif ours != theirs:
                await self._on_writer(self._apply, news, theirs)
            self._fresh_at = began
            self._round_done = self._rounds

    def _apply(self, news: News, mark: Mark) -> None:
        writing = self._file.begin()
        try:
            for digest, entry in news.codes.items():
                writing.put_code(digest, entry)
            writing.put_numbers(news.numbers)
            self._file.end(writing, mark)
        except BaseException:
            writing.abort()
            raise

    async def _refill(self) -> None:
        """Read everything, in chunks, while what is known goes on serving. Access numbers come first, by themselves,
        when there is nothing to serve yet: a miss is then confirmed by Postgres."""
        async with (
            self._database.connection("bridge directory") as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            everything = Everything(connection)
            mark, numbers = await everything.mark(), dict.fromkeys(await everything.numbers(), True)
            if self._file.mark is None:
                first = Mark(mark.database_id, ONLY_NUMBERS, mark.longest)
                await self._on_writer(self._apply, News({}, numbers), first)
            async with self._rewriting(mark) as writing:
                await self._on_writer(writing.clear)
                await self._on_writer(writing.put_numbers, numbers)
                async for codes in everything.codes():
                    await self._on_writer(writing.add_codes, codes)
        log.info("directory_filled", number=mark.number, longest=mark.longest)

    @asynccontextmanager
    async def _rewriting(self, mark: Mark) -> AsyncIterator[Writing]:
        begun = self._writer.submit(self._file.begin)
        try:
            writing = await asyncio.wrap_future(begun)
            yield writing
            await self._on_writer(self._file.end, writing, mark)
        except BaseException:
            if not begun.cancelled():
                self._writer.submit(lambda: begun.result().abort())
            raise

    async def _prune(self) -> None:
        if self._pruned_at is None or time.monotonic() - self._pruned_at > PRUNE_S:
            self._pruned_at = time.monotonic()
            async with self._database.transaction() as connection:
                await directory_source.prune(connection)

    async def _on_writer(self, work: Callable[..., Result], *given: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work, *given)
