"""Turns everything that goes wrong in a request into a problem document."""

from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from bridge.api.http import problems
from bridge.api.http.problems import Problem
from bridge.api.serving.access_log import route_pattern
from bridge.domain.errors import BridgeError

log = structlog.get_logger()

_HTTP: Final = {
    404: "there is no such path here; those of REST are listed in its /openapi.json",
    405: "this path does not take that method; Allow names those it takes",
}


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with a problem document whatever the handler raises. A defect is logged with its traceback."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response().to_aiohttp()
    except BridgeError as error:
        refusal = problems.of(error)
        if refusal.status == 500:
            log.exception("request_failed", method=request.method, route=route_pattern(request))
        return refusal.response().to_aiohttp()
    except web.HTTPException as error:
        detail = _HTTP.get(error.status, error.reason)
        response = Problem(error.status, error.reason, detail).response().to_aiohttp()
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except TimeoutError:
        return Problem(503, "Not available now", "there was no answer in time; try again").response().to_aiohttp()
    except Exception:
        log.exception("request_failed", method=request.method, route=route_pattern(request))
        return problems.of(BridgeError()).response().to_aiohttp()
