"""AMI, by panoramisk, fenced.

panoramisk is the AMI library of asyncio and parses the protocol well, but: its callbacks run unordered and lose their
exceptions, a refused login raises nothing, a silent peer is never noticed, it reconnects by itself even after being
closed, a line feed in a value injects headers, and a UTF-8 character split over two segments is dropped. So here:
one manager a connection and no reconnecting, one ordered queue of events, a time-out on each action, a ping watchdog,
values checked, and Latin-1 on the wire, which no segment can split.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import panoramisk
from panoramisk.ami_protocol import AMIProtocol

from bridge.asterisk.ami import events as ami_events
from bridge.domain.errors import BridgeError, Unavailable

TIMEOUT_S: Final = 5.0
PING_S: Final = 10.0
NEVER_S: Final = 10**9
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class AmiUnreachable(Unavailable):
    """Asterisk's AMI could not be reached, or the connection was lost or fell silent."""


class AmiRefused(Unavailable):
    """AMI answered no at the door: wrong user or password."""


class AmiFailed(BridgeError):
    """AMI answered an action with an error."""


@dataclass(frozen=True, slots=True)
class AmiLogin:
    """Where AMI is and who we are there."""

    host: str
    port: int
    user: str
    password: str


class _Manager(panoramisk.Manager):  # type: ignore[misc]  # panoramisk ships no types
    """A manager that never reconnects, and hands events on in their order."""

    def __init__(self, events: "asyncio.Queue[ami_events.Event | None]") -> None:
        super().__init__(loop=asyncio.get_running_loop(), encoding="latin-1", ping_delay=NEVER_S, ping_interval=NEVER_S)
        self._events = events

    def dispatch(self, event: Any) -> list[str]:
        parsed = ami_events.parse({name.lower(): value for name, value in event.items()})
        if parsed is not None:
            self._events.put_nowait(parsed)
        return []

    def connection_lost(self, exc: object) -> None:
        self._connected = False
        self._events.put_nowait(None)


class Ami:
    """One open, logged-in connection, made by `connected`."""

    def __init__(self, manager: _Manager, events: "asyncio.Queue[ami_events.Event | None]") -> None:
        self._manager = manager
        self._events = events

    async def action(self, name: str, **fields: str) -> list[Mapping[str, str]]:
        """Carry out an action; all messages that answer it, the response first, header names in lower case.

        Raises AmiFailed (with Asterisk's own message), AmiUnreachable (no answer in TIMEOUT_S), ValueError for a
        value with control characters.
        """
        for field, value in fields.items():
            if _CONTROL.search(value):
                raise ValueError(f"AMI {name}: {field} has control characters")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._manager.send_action({"Action": name, **fields})
        except TimeoutError as error:
            raise AmiUnreachable(f"AMI did not answer {name} within {TIMEOUT_S} s") from error
        messages = [_headers(message) for message in (answer if isinstance(answer, list) else [answer])]
        if messages[0].get("response") not in ("Success", "Goodbye"):
            raise AmiFailed(messages[0].get("message", "no reason given"))
        return messages

    async def events(self) -> AsyncIterator[ami_events.Event]:
        """Events in the order in which Asterisk sent them. Raises AmiUnreachable when the connection is lost."""
        while True:
            event = await self._events.get()
            if event is None:
                raise AmiUnreachable("Asterisk closed the connection to AMI")
            yield event

    async def watch(self) -> None:
        """Ping for ever. Raises AmiUnreachable when the peer falls silent."""
        while True:
            await asyncio.sleep(PING_S)
            try:
                await self.action("Ping")
            except AmiFailed as error:
                raise AmiUnreachable(f"AMI answers, but not as it should: {error}") from error


def _headers(message: Any) -> Mapping[str, str]:
    return {str(name).lower(): str(value) for name, value in message.items()}


@contextlib.asynccontextmanager
async def ami_connection(login: AmiLogin) -> AsyncIterator[Ami]:
    """A connection that is logged in. Raises AmiRefused or AmiUnreachable."""
    events: asyncio.Queue[ami_events.Event | None] = asyncio.Queue()
    where = f"{login.host}:{login.port}"
    loop = asyncio.get_running_loop()
    manager = _Manager(events)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            made = loop.create_future()
            made.set_result(await loop.create_connection(AMIProtocol, login.host, login.port))
            manager.connection_made(made)
    except (OSError, TimeoutError) as error:
        raise AmiUnreachable(f"no AMI at {where}: {str(error) or type(error).__name__}") from error
    ami = Ami(manager, events)
    try:
        try:
            await ami.action("Login", Username=login.user, Secret=login.password)
        except AmiFailed:
            raise AmiRefused(
                f"AMI at {where} refuses the user {login.user!r}: check BRIDGE_AMI_USER and BRIDGE_AMI_PASSWORD "
                "against manager.conf; one that is just starting knows nobody yet"
            ) from None
        yield ami
    finally:
        manager.close()
