"""/v1/blocks: what entries wait for on this node, since many were wrong: callers, trunks, PINs and numbers."""

from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api.http import paging
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Answer, Page, Request
from bridge.domain.admission.bucket import BucketKind
from bridge.domain.admission.slots import ShortBucket
from bridge.domain.errors import Invalid


class BlockSchema(Answer):
    """A caller, trunk, PIN, access number or installation whose entries wait, since many were wrong."""

    id: UUID
    kind: BucketKind
    value: str = Field(
        description="The caller's number, the trunk's address, the passcode's id (with `/known` for callers whom its "
        "sub-account knows), the access number or, for known callers, the id of the sub-account that knows them; empty "
        "for the whole installation."
    )
    left: float = Field(description="Share of the wrong entries that is left; 1 is all, below 0 more were judged.")
    waits_s: float | None = Field(
        description="Seconds until the next entry is judged. Null: more than a day, or until wrong entries are allowed "
        "by Postgres again."
    )
    waiting: int = Field(ge=0, description="Number of entries that wait for it now.")

    @classmethod
    def of(cls, one: ShortBucket) -> "BlockSchema":
        return cls(
            id=one.key.id,
            kind=one.key.kind,
            value=one.key.value,
            left=round(one.left, 3),
            waits_s=None if one.waits_s is None else round(one.waits_s, 1),
            waiting=one.waiting,
        )


class CallerBlockFields(Request):
    """The phone number of a caller whose entries should not wait."""

    caller: str = Field(max_length=60, description="The caller's number, however it is written.")


async def read_page(request: ApiRequest) -> BaseModel:
    """Each node counts wrong passcodes for itself; these are the counts of the node that answers."""
    page, cursor = paging.slice_of(request.services.blocks.short(), request.query, lambda one: str(one.key.id))
    return Page[BlockSchema](items=[BlockSchema.of(one) for one in page], next_cursor=cursor)


async def lift(request: ApiRequest) -> None:
    await request.services.blocks.lift(request.ids["block_id"])


async def lift_caller(request: ApiRequest) -> None:
    """Wrong entries of the caller are forgotten, also when none waits."""
    fields: CallerBlockFields = request.body
    caller = request.services.caller_numbers.canonical(fields.caller)
    if not caller:
        raise Invalid("caller", "is no telephone number, or one that networks send for callers who withhold theirs")
    await request.services.blocks.lift_caller(caller)


OPERATIONS: Final = (
    Operation(
        "list_blocks", "GET", "/v1/blocks", "List callers, trunks, PINs and numbers whose entries wait",
        read_page, Page[BlockSchema], query=Paged,
    ),
    Operation(
        "lift_block", "DELETE", "/v1/blocks/{block_id}", "Lift a block, and forget its wrong entries", lift,
        status=204,
    ),
    Operation(
        "lift_caller", "POST", "/v1/blocks/callers/lift", "Forget the wrong entries of a phone number", lift_caller,
        body=CallerBlockFields, status=204,
    ),
)  # fmt: skip
