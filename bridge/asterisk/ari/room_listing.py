"""The participants of each ConfBridge, as ARI lists them. Unlike events, a listing is right from the first one on."""

import asyncio
import time
from collections.abc import Mapping, Set
from typing import Any, Final

from bridge.asterisk.ari import heartbeat
from bridge.asterisk.ari.client import Ari, AriFailed, AriUnreachable
from bridge.domain.admission.seats import Seats

CONFBRIDGE: Final = "ConfBridge"
PARTICIPANT: Final = "PJSIP/"
LEARN_S: Final = 2.0
NOT_FOUND: Final = 404
MANY: Final = 8
"""Up to this number, channels are asked for one by one; beyond it, all channels are listed at once."""


class Occupancy:
    """The rooms of one node, by whose seats limits are counted.

    No caller is greeted before the rooms are known, or LEARN_S have passed.
    """

    def __init__(self, seats: Seats) -> None:
        self._seats = seats
        self._known = asyncio.Event()

    async def known(self) -> None:
        """Wait until the rooms have been listed over the present connection, at most LEARN_S."""
        try:
            async with asyncio.timeout(LEARN_S):
                await self._known.wait()
        except TimeoutError:
            return

    def forget(self) -> None:
        """Wait for a new listing from now on, since the connection was lost."""
        self._known.clear()

    def left(self, uniqueid: str) -> None:
        """Free the seat of a participant who has left."""
        self._seats.left(uniqueid, time.monotonic())

    def learn(self, rooms: Mapping[str, Set[str]], asked: float) -> None:
        """Take in a listing of the rooms (name → uniqueids of participants), asked for at `asked` (monotonic time)."""
        self._seats.listed(rooms, asked)
        self._known.set()


class AriSwitch:
    """Implements ports.Switch over one ARI connection. Each listing also renews `occupancy`."""

    def __init__(self, ari: Ari, occupancy: Occupancy) -> None:
        self._ari = ari
        self._occupancy = occupancy
        self._outside: dict[str, bool] = {}

    async def participants(self) -> Set[str]:
        asked = time.monotonic()
        try:
            bridges: list[dict[str, Any]] = await self._ari.request("GET", "bridges")
        except AriFailed as error:
            raise AriUnreachable(f"ARI answers, but does not list rooms: {error}") from error
        rooms: dict[str, frozenset[str]] = {}
        listed: set[str] = set()
        await self._learn_names({channel for bridge in bridges for channel in bridge["channels"]})
        for bridge in bridges:
            if bridge.get("creator") == CONFBRIDGE:
                channels = [channel for channel in bridge["channels"] if await self._is_participant(channel)]
                rooms[bridge["name"]] = frozenset(channels)
                listed.update(bridge["channels"])
        self._outside = {channel: outside for channel, outside in self._outside.items() if channel in listed}
        self._occupancy.learn(rooms, asked)
        return frozenset().union(*rooms.values())

    async def existing(self, channels: Set[str]) -> Set[str]:
        if len(channels) > MANY:
            return channels & set(await self._names())
        return {channel for channel in channels if await self._exists(channel)}

    async def _learn_names(self, channels: Set[str]) -> None:
        """Ask for many unknown channels at once, as after a restart."""
        if len(channels - set(self._outside)) > MANY:
            names = await self._names()
            self._outside |= {one: names[one].startswith(PARTICIPANT) for one in channels if one in names}

    async def _names(self) -> Mapping[str, str]:
        try:
            return {one["id"]: one["name"] for one in await self._ari.request("GET", "channels")}
        except AriFailed as error:
            raise AriUnreachable(f"ARI answers, but does not list channels: {error}") from error

    async def _exists(self, channel: str) -> bool:
        try:
            await self._ari.request("GET", f"channels/{channel}")
        except AriFailed as error:
            return error.status != NOT_FOUND
        return True

    async def journal(self, word: str, about: str) -> None:
        try:
            await heartbeat.journal_word(self._ari, word, about)
        except AriFailed:
            return  # the difference is reported again for as long as it lasts

    async def _is_participant(self, channel: str) -> bool:
        """Return True if a channel comes from a trunk. Announcers are in rooms like people, but are no participants.

        Each channel is asked for once.
        """
        if channel not in self._outside:
            try:
                name = (await self._ari.request("GET", f"channels/{channel}"))["name"]
            except AriFailed:
                return False  # it left meanwhile
            self._outside[channel] = str(name).startswith(PARTICIPANT)
        return self._outside[channel]
