"""/v1/blocks: who has to wait after wrong entries, or is not listened to for a while, on this node."""

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import paging
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, Page, Time
from bridge.domain.admission.throttle import ThrottleKind
from bridge.domain.admission.throttles import ActiveThrottle


class BlockAnswer(Answer):
    """What wrong entries are counted by (`value` is a caller's number, a trunk's address, an access number, or empty
    for the whole installation), their level, and what it means now: entries wait, or are not judged at all."""

    id: UUID
    kind: ThrottleKind
    value: str
    level: float = Field(ge=0, description="wrong entries so far, each fading with time")
    delay_s: float = Field(ge=0)
    blocked_until: Time | None

    @classmethod
    def of(cls, one: ActiveThrottle) -> "BlockAnswer":
        until = None if one.blocked_until is None else datetime.fromtimestamp(one.blocked_until, UTC)
        return cls(
            id=one.key.id,
            kind=one.key.kind,
            value=one.key.value,
            level=round(one.level, 2),
            delay_s=round(one.delay_s, 2),
            blocked_until=until,
        )


async def read_page(request: ApiRequest) -> BaseModel:
    page, cursor = paging.slice_of(request.services.blocks.active(), request.query, lambda one: str(one.key.id))
    return Page[BlockAnswer](items=[BlockAnswer.of(one) for one in page], next_cursor=cursor)


async def lift(request: ApiRequest) -> None:
    await request.services.blocks.lift(request.ids["block_id"])


OPERATIONS: Final = (
    Operation(
        "list_blocks", "GET", "/v1/blocks", "List who has to wait or is blocked after wrong entries, on this node",
        read_page, Page[BlockAnswer], query=Paged,
    ),
    Operation(
        "lift_block", "DELETE", "/v1/blocks/{block_id}", "Forget all wrong entries of a caller, trunk or number", lift,
        status=204,
    ),
)  # fmt: skip
