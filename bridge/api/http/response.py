"""A response before it is sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from aiohttp import web

from bridge.api.http.media_types import JSON


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A status, a body (None for an empty one) and its media type; `headers` are all further headers."""

    status: int
    body: str | None = None
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_aiohttp(self) -> web.Response:
        """The same response for aiohttp to send."""
        headers = {"Cache-Control": "no-store", **self.headers}
        if self.body is None:
            return web.Response(status=self.status, headers=headers)
        return web.Response(
            status=self.status, body=self.body.encode(), content_type=self.content_type, headers=headers
        )

    def packed(self) -> str:
        """Everything but the status as text, for the idempotency store."""
        return orjson.dumps([self.body, self.content_type, dict(self.headers)]).decode()


def unpacked(status: int, packed: str) -> ApiResponse:
    """Restore the response that `packed` turned into text."""
    body, content_type, headers = orjson.loads(packed)
    return ApiResponse(status, body, content_type, headers)
