"""A response before it is sent."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson
from aiohttp import web

from bridge.api.http.media_types import JSON

_ALWAYS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A status, a body (None for an empty one) and its media type; `headers` are all further headers."""

    status: int
    body: bytes | None = None
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_aiohttp(self) -> web.Response:
        """Turn it into a response that aiohttp can send."""
        headers = {**_ALWAYS, **self.headers}
        if self.body is None:
            return web.Response(status=self.status, headers=headers)
        return web.Response(status=self.status, body=self.body, headers={**headers, "Content-Type": self.content_type})

    def packed(self) -> str:
        """Everything but the status as text, for the idempotency store. Operations that change something send JSON."""
        body = None if self.body is None else self.body.decode()
        return orjson.dumps([body, self.content_type, dict(self.headers)]).decode()


def unpacked(status: int, packed: str) -> ApiResponse:
    """Restore the response that `packed` turned into text."""
    body, content_type, headers = orjson.loads(packed)
    return ApiResponse(status, None if body is None else body.encode(), content_type, headers)


@dataclass(frozen=True, slots=True)
class ApiStream:
    """A response whose first chunk is there; `rest` yields the others."""

    status: int
    first: bytes
    rest: AsyncGenerator[bytes, None]
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_aiohttp(self) -> "StreamedResponse":
        """Turn it into a response that the `sending` middleware can send."""
        headers = {**_ALWAYS, **self.headers, "Content-Type": self.content_type}
        return StreamedResponse(self.status, headers, self.first, self.rest)


class StreamedResponse(web.StreamResponse):
    """A response that aiohttp does not send by itself, since its body is still to be made."""

    def __init__(
        self, status: int, headers: Mapping[str, str], first: bytes, rest: AsyncGenerator[bytes, None]
    ) -> None:
        super().__init__(status=status, headers=headers)
        self.first, self.rest = first, rest
