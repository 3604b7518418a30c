"""Bulk requests take turns, so that large bodies keep nobody waiting for long, nor fill the memory.

An account has one at a time, from before its body is read until it is carried out; another one is refused. Bodies are
parsed one at a time, in the order in which they came. Operator keys only wait for the parsing.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from bridge.api.http.bulk import body
from bridge.api.http.parsing import ParsedBody
from bridge.api.http.problems import Problem
from bridge.domain.access.principal import Principal

AGAIN_S: Final = 2


class BulkTurns:
    """The accounts whose bulk requests are being carried out, and the turn to be parsed."""

    def __init__(self) -> None:
        self._busy: set[UUID] = set()
        self._parsing = asyncio.Lock()

    @contextmanager
    def turn(self, principal: Principal) -> Iterator[None]:
        """The turn of a principal's account. Raises a 429 Problem while another request has it."""
        account_id = principal.account_id
        if account_id is None:
            yield
            return
        if account_id in self._busy:
            raise Problem(
                429,
                "Too many requests",
                "another bulk request of this account is being carried out: wait for its response, then send the next",
                headers={"Retry-After": str(AGAIN_S)},
            )
        self._busy.add(account_id)
        try:
            yield
        finally:
            self._busy.remove(account_id)

    async def parse(self, sent: bytes, model: type[BaseModel], media_type: str) -> ParsedBody:
        """The body of a bulk request. Raises Problem."""
        async with self._parsing:
            return await asyncio.to_thread(body.parse, sent, model, media_type)


TURNS: Final = web.AppKey("bulk_turns", BulkTurns)
