"""Check of the daemon: what it reports at /readyz about each of its parts."""

from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import orjson

from bridge.doctor.configured import Configured
from bridge.doctor.examination import Check, Result, failed, well
from bridge.domain.errors import Unavailable

QUERY_S: Final = 3.0
MEND: Final = "start `bridge serve`: until it runs, new callers hear music and wait; if it ends again, its log says why"


def check(configured: Configured) -> Check | None:
    """Return the check that the daemon serves and is ready, or None without settings."""
    if configured.daemon is None:
        return None
    host, port = configured.daemon.probes_address.rsplit(":", 1)
    url = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104  # any address of this machine

    async def work() -> AsyncIterator[Result]:
        parts = await _readiness(url)
        unwell = {name: detail for name, (ok, detail) in parts.items() if not ok}
        for name, detail in unwell.items():
            yield failed("daemon", f"{name}: {detail}", "see the other results here, and the daemon's log")
        if not unwell:
            yield well("daemon", f"ready at {url}")

    return Check("daemon", work, MEND)


async def _readiness(url: str) -> dict[str, tuple[bool, str]]:
    """Return for each part of the daemon if it is ready, and a detail. Raises Unavailable."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=QUERY_S)) as session,
            session.get(f"{url}/readyz") as answer,
        ):
            parts = orjson.loads(await answer.read())
            return {name: (bool(part["ok"]), str(part["detail"])) for name, part in parts.items()}
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise Unavailable(f"does not answer at {url}: {str(error) or type(error).__name__}") from error
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
        raise Unavailable(f"the program that listens at {url} is not the daemon") from None
