"""/v1/blocks: callers, trunks and numbers that are slowed down or blocked on this node after wrong passcodes."""

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


class BlockSchema(Answer):
    """A caller, trunk, access number or installation that is slowed down or blocked after wrong passcodes."""

    id: UUID
    kind: ThrottleKind
    value: str = Field(
        description="The caller's number, the trunk's address or the access number; empty for the whole installation."
    )
    level: float = Field(ge=0, description="Number of wrong entries, each of which loses weight with time.")
    delay_s: float = Field(ge=0, description="Seconds by which the check of the next entry is delayed.")
    blocked_until: Time | None = Field(description="No entry is checked before this instant. Null: not blocked.")

    @classmethod
    def of(cls, one: ActiveThrottle) -> "BlockSchema":
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
    """Each node counts wrong passcodes for itself; these are the counts of the node that answers."""
    page, cursor = paging.slice_of(request.services.blocks.active(), request.query, lambda one: str(one.key.id))
    return Page[BlockSchema](items=[BlockSchema.of(one) for one in page], next_cursor=cursor)


async def lift(request: ApiRequest) -> None:
    await request.services.blocks.lift(request.ids["block_id"])


OPERATIONS: Final = (
    Operation(
        "list_blocks", "GET", "/v1/blocks", "List callers, trunks and numbers that are slowed down or blocked",
        read_page, Page[BlockSchema], query=Paged,
    ),
    Operation(
        "lift_block", "DELETE", "/v1/blocks/{block_id}", "Lift a block, and forget its wrong entries", lift,
        status=204,
    ),
)  # fmt: skip
