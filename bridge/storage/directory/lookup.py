"""Look-ups in the local directory of passcodes, numbers and known callers. Only `confirm` may ask Postgres."""

import asyncio
import hmac
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bridge.domain.admission.grant import Barred, DialledNumber, Grant, RoomOwner
from bridge.domain.admission.numbering import IncomingTrunk, Numbering
from bridge.domain.errors import Unavailable
from bridge.domain.phone import EVERYWHERE, CallerNumbers
from bridge.domain.provisioning import passcode
from bridge.domain.provisioning.code_lengths import LiveCodes
from bridge.domain.provisioning.tenants import Space
from bridge.domain.provisioning.trunk import NumberForm
from bridge.storage.directory import rows as directory_rows
from bridge.storage.directory import source
from bridge.storage.directory.rows import CodeRows
from bridge.storage.directory.sync import FollowingDirectory
from bridge.storage.directory.uses import Use
from bridge.storage.postgres.database import Database
from bridge.usecases.provisioning.ports import Keys

CONFIRM_S: Final = 0.5
"""A look-up in Postgres takes no longer: the caller hears silence meanwhile."""


def _wall_clock_us() -> int:
    return time.time_ns() // 1000


class LocalDirectory(FollowingDirectory):
    """Implements `Directory` of the ports of admission.

    `run` keeps it fresh. Without `run` it stays as the file on disk is.

    `now_us` returns the wall clock in µs since 1970; windows of validity are compared with it.
    """

    def __init__(
        self,
        database: Database,
        state_dir: Path,
        keys: Keys,
        node: str,
        numbers: CallerNumbers = EVERYWHERE,
        now_us: Callable[[], int] = _wall_clock_us,
    ) -> None:
        super().__init__(database, state_dir, keys, node, now_us)
        self._lookups = keys.lookups
        self._numbers = numbers

    def number(self, dialled: str) -> DialledNumber | None:
        rows = self._file.number(dialled)
        return rows and directory_rows.number_of(dialled, *rows)

    def trunk(self, trunk_id: str) -> IncomingTrunk:
        key = directory_rows.id_of(trunk_id)
        row = self._file.trunk(key) if key else None
        if row is None:
            # Without a name it writes numbers as people of the installation's country do, or in E.164.
            form = NumberForm.NATIONAL if self._numbers.country else NumberForm.E164
            numbering = Numbering(form, self._numbers.country, "", self._numbers.withheld)
            return IncomingTrunk(trunk_id if key else "", "", numbering)
        return directory_rows.trunk_of(trunk_id, row, self._numbers)

    def find(self, digits: str, number: DialledNumber) -> Grant | Barred | None:
        return self._answer(self._file.code(self._digests(digits, number)), number)

    async def confirm(self, digits: str, number: DialledNumber) -> Grant | Barred | None:
        if self.fresh:
            return None
        try:
            async with asyncio.timeout(CONFIRM_S), self._database.transaction() as connection:
                found = await source.code(connection, self._digests(digits, number))
        except (Unavailable, TimeoutError):
            return None
        if found and found.uses:
            self._confirmed[found.passcode_id] = found.uses, found.change
        return self._answer(found, number)

    def lengths(self, number: DialledNumber) -> LiveCodes:
        return self._file.lengths(_space(number) or directory_rows.SHARED)

    def worst_lengths(self) -> tuple[LiveCodes, LiveCodes]:
        """Return the live codes of the shared numbers, and those of the own code space that is easiest to guess in."""
        return self._file.worst_lengths()

    def pin_matches(self, entry: Grant, digits: str) -> bool:
        passcode_id = directory_rows.id_of(entry.passcode_id)
        if entry.pin is None or passcode_id is None:
            return False
        return any(
            [hmac.compare_digest(passcode.pin_digest(digits, key, passcode_id), entry.pin) for key in self._lookups]
        )

    def trusted(self, caller: str, number: DialledNumber) -> Grant | None:
        entries = [
            entry
            for row, room, account in self._known(caller) or ()
            if (entry := directory_rows.trusted(row, room, account, number))
        ]
        return entries[0] if len(entries) == 1 else None

    def known_by(self, caller: str) -> frozenset[str]:
        rows = (self._file.caller(form) for form in sorted(self._numbers.stored(caller)))
        return frozenset().union(*(directory_rows.knowers(row) for row in rows if row))

    def _known(self, caller: str) -> list[tuple[bytes, bytes, bytes]] | None:
        """The known callers with this number, in whatever form it was stored. None if no sub-account knows it."""
        rows = [self._file.callers(form) for form in sorted(self._numbers.stored(caller))]
        known = [found for found in rows if found is not None]
        return [row for found in known for row in found] if known else None

    def owner(self, room_id: str) -> RoomOwner | None:
        key = directory_rows.id_of(room_id)
        room = self._file.room(key) if key else None
        return directory_rows.owner(room) if room else None

    async def take_use(self, entry: Grant, uniqueid: str) -> bool:
        passcode_id = directory_rows.id_of(entry.passcode_id)
        if entry.uses_left is None or passcode_id is None:
            return True
        use = Use(passcode_id, uniqueid, self._now_us())
        if self._uses.has(use):
            return True
        row, change = self._file.uses(passcode_id)
        if row is None:
            row, change = self._confirmed.get(passcode_id, (None, 0))
        left = directory_rows.uses_left(row, self._uses.uncounted(passcode_id, change)) if row else entry.uses_left
        if left <= 0:
            return False
        await self._uses.take(use)
        self._notified.set()
        return True

    def _digests(self, digits: str, number: DialledNumber) -> list[bytes]:
        space = _space(number)
        return [passcode.digest(digits, key, space) for key in self._lookups]

    def _answer(self, found: CodeRows | None, number: DialledNumber) -> Grant | Barred | None:
        if found is None:
            return None
        here = self._uses.uncounted(found.passcode_id, found.change) if found.uses else 0
        return directory_rows.answer(found, here, number, self._now_us)


def _space(number: DialledNumber) -> bytes:
    """Return the code space of a number as passcode.digest takes it: the account's id, or empty for the shared
    space."""
    own = number.account_id if number.space is Space.OWN else None
    return bytes.fromhex(own.replace("-", "")) if own else b""
