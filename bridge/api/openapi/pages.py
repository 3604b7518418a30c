"""/openapi.json, and /docs, which shows it to people by files of this package alone."""

import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.api.http.operations import Operation
from bridge.api.openapi import document

FOLDER: Final = Path(__file__).parent / "swagger_ui"
PAGE: Final = "page.html"
FILES: Final = ("page.css", "page.js", "swagger-ui.css", "swagger-ui-bundle.js")
HEADERS: Final = {
    # Nothing from elsewhere, and nothing in the text of the page itself: Swagger UI has its icons in its style sheet.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "max-age=3600",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def add(app: web.Application, operations: Sequence[Operation]) -> None:
    """Add /openapi.json, /docs and the files that /docs is made of. They need no key."""
    described = orjson.dumps(document.document(operations))

    async def openapi(_: web.Request) -> web.StreamResponse:
        return web.Response(body=described, content_type="application/json")

    app.router.add_get("/openapi.json", openapi)
    app.router.add_get("/docs", _served(PAGE))
    for name in FILES:
        app.router.add_get(f"/docs/{name}", _served(name))


def _served(name: str) -> Handler:
    body = (FOLDER / name).read_bytes()
    kind = mimetypes.guess_type(name)[0]

    async def serve(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=HEADERS)

    return serve
