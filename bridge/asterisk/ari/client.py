"""ARI over one websocket: events arrive on it, requests go out on it.

This was measured to be several times faster than plain HTTP requests. It also keeps the order: commands sent one after
the other on a channel take effect in that order, without waiting for responses. Resource and event names are Asterisk's
own, as in its ARI documentation and in ari-py.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import orjson

from bridge.asterisk.ari import events as ari_events
from bridge.domain.errors import BridgeError, Unavailable

APPLICATION: Final = "bridge"
HEARTBEAT_S: Final = 5.0
REQUEST_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 5.0
STARTING: Final = 503


class AriUnreachable(Unavailable):
    """Asterisk's ARI could not be reached, or the connection was lost."""


class AriRefused(Unavailable):
    """ARI refused the connection: wrong user or password, or something else listens there."""


class AriFailed(BridgeError):
    """ARI could not carry out a request.

    404, 409 and 412 on a channel all mean that the caller has gone, or has left Stasis, which is the same here.
    """

    def __init__(self, request: str, status: int, message: str) -> None:
        super().__init__(f"ARI {request}: {status} {message}")
        self.status = status

    @property
    def caller_gone(self) -> bool:
        return self.status in (404, 409, 412)


@dataclass(frozen=True, slots=True)
class AriLogin:
    """The address, user and password for ARI. The password goes into a header, never into a URL."""

    url: str
    user: str
    password: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": aiohttp.encode_basic_auth(self.user, self.password)}

    def refused(self, status: int) -> AriRefused:
        """The error for a connection that was refused with this HTTP status."""
        if status in (401, 403):
            return AriRefused(
                f"ARI at {self.url} refuses the user {self.user!r}: check BRIDGE_ARI_USER and "
                "BRIDGE_ARI_PASSWORD against ari.conf"
            )
        if status == STARTING:
            return AriRefused(f"Asterisk at {self.url} is still starting, or stopping (HTTP {status})")
        return AriRefused(f"what listens at {self.url} is not Asterisk's ARI, or ARI is not loaded (HTTP {status})")


class Ari:
    """One open connection, made by `ari_connection`. When it is lost, all that waits on it raises AriUnreachable."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Any]] = {}

    async def send(
        self, method: str, uri: str, query: Mapping[str, str] | None = None, body: Any = None
    ) -> asyncio.Future[Any]:
        """Send a request. The future gets the decoded response, AriFailed or AriUnreachable.

        Asterisk carries out commands on one channel in the order in which they were sent.
        """
        request_id = str(next(self._ids))
        frame: dict[str, Any] = {
            "type": "RESTRequest",
            "transaction_id": request_id,
            "request_id": request_id,
            "method": method,
            "uri": uri,
        }
        if body is not None:
            frame["content_type"] = "application/json"
            frame["message_body"] = orjson.dumps(body).decode()
        if query:
            frame["query_strings"] = [{"name": name, "value": value} for name, value in query.items()]
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(_retrieve)
        self._waiting[request_id] = answer
        answer.add_done_callback(lambda _: self._waiting.pop(request_id, None))
        try:
            await self._socket.send_str(orjson.dumps(frame).decode())
        except (aiohttp.ClientError, ConnectionError, RuntimeError) as error:
            answer.cancel()
            raise AriUnreachable("the connection to ARI is closed") from error
        return answer

    async def request(self, method: str, uri: str, query: Mapping[str, str] | None = None, body: Any = None) -> Any:
        """Send a request and wait for its response, REQUEST_TIMEOUT_S at most. Raises AriFailed or AriUnreachable."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                return await (await self.send(method, uri, query, body))
        except TimeoutError as error:
            raise AriUnreachable(f"ARI did not answer {method} {uri} within {REQUEST_TIMEOUT_S} s") from error

    async def filter_events(self) -> None:
        """Have Asterisk send the wanted events only.

        Asterisk forgets this when the application has no channel left, so each connection asks for it again.
        """
        allowed = [{"type": kind} for kind in ari_events.WANTED]
        await self.request("PUT", f"applications/{APPLICATION}/eventFilter", body={"allowed": allowed})

    async def events(self) -> AsyncIterator[ari_events.Event]:
        """Events as they arrive. Responses go to the requests that wait for them. Raises AriUnreachable at the end."""
        try:
            async for message in self._socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    continue
                frame = orjson.loads(message.data)
                if frame.get("type") == "RESTResponse":
                    self._answered(frame)
                else:
                    yield ari_events.parse(frame)
        finally:
            self._lost()
        raise AriUnreachable("Asterisk closed the connection to ARI")

    def _answered(self, frame: dict[str, Any]) -> None:
        answer = self._waiting.get(frame.get("request_id", ""))
        if answer is None or answer.done():
            return
        status = int(frame["status_code"])
        if status < 400:
            text = frame.get("message_body")
            answer.set_result(orjson.loads(text) if text else None)
        else:
            answer.set_exception(AriFailed(frame.get("uri", ""), status, frame.get("reason_phrase", "")))

    def _lost(self) -> None:
        for answer in list(self._waiting.values()):
            if not answer.done():
                answer.set_exception(AriUnreachable("the connection to ARI was lost before the answer came"))


def _retrieve(answer: asyncio.Future[Any]) -> None:
    """Retrieve the error of a command that nobody waits for, or asyncio would log it as never retrieved."""
    if not answer.cancelled():
        answer.exception()


@contextlib.asynccontextmanager
async def ari_connection(login: AriLogin) -> AsyncIterator[Ari]:
    """An open websocket for APPLICATION.

    Asterisk takes the application away from a connection that holds it: make sure that no second daemon runs.
    Raises AriRefused (password, wrong server) or AriUnreachable (nobody listens, timeout).
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
    async with aiohttp.ClientSession(headers=login.headers, timeout=timeout) as session:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                socket = await session.ws_connect(
                    f"{login.url}/ari/events",
                    params={"app": APPLICATION, "subscribeAll": "false"},
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=16 * 1024 * 1024,
                )
        except aiohttp.WSServerHandshakeError as error:
            raise login.refused(error.status) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise AriUnreachable(f"no ARI at {login.url}: {str(error) or type(error).__name__}") from error
        async with socket:
            yield Ari(socket)
