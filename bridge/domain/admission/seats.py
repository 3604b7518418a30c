"""Seats: the callers in each room or on their way into it, by which limits are counted.

A caller holds a seat from the decision to admit on. The seat is free again when the caller is known to have left, or
when a listing of the rooms, asked for at least SETTLED_S after the decision, does not show the caller.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Final

from bridge.domain.admission.grant import Grant, RoomOwner
from bridge.domain.admission.refusal import Refusal

SETTLED_S: Final = 5.0
"""An admitted caller is in the room after this time at the latest."""
REMEMBERED_S: Final = 60.0
"""No listing takes longer than this, so a departure need not be remembered for longer."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One caller's place in a room. Ids are UUIDs as text.

    `passcode_id` is empty for a caller who was found in a room by a listing. The ids of account and sub-account are
    empty while the room's owner is not known. `since` is in seconds of the clock that `Seats` is asked by.
    """

    room_id: str
    sub_account_id: str
    account_id: str
    passcode_id: str
    since: float


class Seats:
    """All seats of one node, by the uniqueids of the channels. Times are arguments, in seconds of one clock."""

    def __init__(self, owner: Callable[[str], RoomOwner | None]) -> None:
        self._owner = owner
        self._seats: dict[str, Seat] = {}
        self._rooms: Counter[str] = Counter()
        self._sub_accounts: Counter[str] = Counter()
        self._accounts: Counter[str] = Counter()
        self._left: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._seats)

    def take(self, uniqueid: str, entry: Grant, now: float) -> Refusal | None:
        """Give the caller a seat and return None, or return the limit that is reached."""
        self.give_back(uniqueid)
        for taken, most, full in (
            (self._rooms[entry.room_id], entry.limits.room, Refusal.ROOM_FULL),
            (self._sub_accounts[entry.sub_account_id], entry.limits.sub_account, Refusal.SUB_ACCOUNT_FULL),
            (self._accounts[entry.account_id], entry.limits.account, Refusal.ACCOUNT_FULL),
        ):
            if most is not None and taken >= most:
                return full
        self._put(uniqueid, Seat(entry.room_id, entry.sub_account_id, entry.account_id, entry.passcode_id, now))
        return None

    def give_back(self, uniqueid: str) -> None:
        """Free the seat of a caller who did not get in after all."""
        seat = self._seats.pop(uniqueid, None)
        if seat is not None:
            self._count(seat, -1)

    def left(self, uniqueid: str, now: float) -> None:
        """Free the seat of a caller who has left. An older listing does not bring the caller back."""
        self.give_back(uniqueid)
        self._left[uniqueid] = now

    def listed(self, rooms: Mapping[str, Set[str]], asked: float) -> None:
        """Take in a listing of all rooms (room → uniqueids) that was asked for at `asked`."""
        self._left = {one: at for one, at in self._left.items() if asked - at < REMEMBERED_S}
        present = {one: room for room, inside in rooms.items() for one in inside}
        for uniqueid, seat in list(self._seats.items()):
            if uniqueid not in present and asked - seat.since >= SETTLED_S:
                self.give_back(uniqueid)
        for uniqueid, room in present.items():
            seated = self._seats.get(uniqueid)
            if uniqueid in self._left or (seated is not None and seated.account_id and seated.room_id == room):
                continue
            # New here, in another room than before, or in a room whose owner may have become known since.
            self.give_back(uniqueid)
            self._put(uniqueid, self._found(room, asked))

    def of(
        self, *, account_id: str | None, sub_account_id: str | None, room_id: str | None, passcode_id: str | None
    ) -> set[str]:
        """The uniqueids of the callers who meet every condition that is given. None is no condition."""
        conditions = (account_id, sub_account_id, room_id, passcode_id)
        return {
            uniqueid
            for uniqueid, seat in self._seats.items()
            if all(
                condition in (None, value)
                for condition, value in zip(
                    conditions, (seat.account_id, seat.sub_account_id, seat.room_id, seat.passcode_id), strict=True
                )
            )
        }

    def _found(self, room: str, now: float) -> Seat:
        owner = self._owner(room)
        return Seat(room, owner.sub_account_id if owner else "", owner.account_id if owner else "", "", now)

    def _put(self, uniqueid: str, seat: Seat) -> None:
        self._seats[uniqueid] = seat
        self._count(seat, 1)

    def _count(self, seat: Seat, by: int) -> None:
        for counts, owner in (
            (self._rooms, seat.room_id),
            (self._sub_accounts, seat.sub_account_id),
            (self._accounts, seat.account_id),
        ):
            counts[owner] += by
            if not counts[owner]:
                del counts[owner]
