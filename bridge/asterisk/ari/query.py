"""Queries to ARI from outside the daemon, over plain HTTP. A websocket would take the daemon's application over."""

from typing import Any, Final

import aiohttp
import orjson

from bridge.asterisk.ari.client import AriLogin, AriRefused, AriUnreachable

QUERY_S: Final = 3.0
NOT_FOUND: Final = 404


async def asked(login: AriLogin, path: str) -> Any:
    """GET `path` and return the decoded response, None if there is no such thing. Raises AriRefused, AriUnreachable."""
    timeout = aiohttp.ClientTimeout(total=QUERY_S)
    try:
        async with (
            aiohttp.ClientSession(headers=login.headers, timeout=timeout) as session,
            session.get(f"{login.url}/ari/{path}") as answer,
        ):
            body = await answer.read()
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise AriUnreachable(f"no ARI at {login.url}: {str(error) or type(error).__name__}") from error
    if answer.status == NOT_FOUND:
        return None
    if answer.status >= 400:
        raise login.refused(answer.status)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise AriRefused(f"what listens at {login.url} is not Asterisk's ARI: its answer is no JSON") from None
