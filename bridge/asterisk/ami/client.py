"""The AMI client: a fence around panoramisk, the AMI library for asyncio.

panoramisk parses the protocol well, but each of these was seen to happen, and each has its remedy here:

- Its callbacks run unordered and lose their exceptions: here events go into one ordered queue.
- A refused login raises nothing: here the response to the login is checked.
- A silent peer is never noticed: here each action has a timeout, and a watchdog pings.
- It reconnects by itself, even after being closed: here there is one manager for each connection, and no reconnecting.
- A line feed in a value injects headers: here values with control characters are refused.
- A UTF-8 character split over two segments is dropped: here the wire is read as Latin-1, which no segment can split.
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
    """AMI refused the login: wrong user or password."""


class AmiFailed(BridgeError):
    """AMI answered an action with an error."""


@dataclass(frozen=True, slots=True)
class AmiLogin:
    """The address, user and password for AMI."""

    host: str
    port: int
    user: str
    password: str


class _Manager(panoramisk.Manager):  # type: ignore[misc]  # panoramisk ships no types
    """A manager that never reconnects, and puts events into a queue in their order."""

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
    """One open, logged-in connection, made by `ami_connection`."""

    def __init__(self, manager: _Manager, events: "asyncio.Queue[ami_events.Event | None]") -> None:
        self._manager = manager
        self._events = events

    async def action(self, name: str, **fields: str) -> list[Mapping[str, str]]:
        """Carry out an action. Return all messages that answer it, the response first, header names in lower case.

        Raises AmiFailed (with Asterisk's own message), AmiUnreachable (no response within TIMEOUT_S), ValueError (a
        value has control characters).
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
    """A connection that is logged in, for the length of a block. Raises AmiRefused or AmiUnreachable."""
    events: asyncio.Queue[ami_events.Event | None] = asyncio.Queue()
    where = f"{login.host}:{login.port}"
    loop = asyncio.get_running_loop()
    manager = _Manager(events)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            # panoramisk wants the connection as a finished future, as its own reconnecting code makes it.
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
