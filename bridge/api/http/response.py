"""What a request is answered, before it goes over the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson
from aiohttp import web

JSON = "application/json"
PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Answered:
    """A status, a body (None for an empty one) and its type, and what headers tell beside these."""

    status: int
    body: str | None = None
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        headers = {"Cache-Control": "no-store", **self.headers}
        if self.body is None:
            return web.Response(status=self.status, headers=headers)
        return web.Response(
            status=self.status, body=self.body.encode(), content_type=self.content_type, headers=headers
        )

    def packed(self) -> str:
        """All of it but the status, as text."""
        return orjson.dumps([self.body, self.content_type, dict(self.headers)]).decode()


def unpacked(status: int, packed: str) -> Answered:
    """What `packed` made text of."""
    body, content_type, headers = orjson.loads(packed)
    return Answered(status, body, content_type, headers)
