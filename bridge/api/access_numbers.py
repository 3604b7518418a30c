"""/v1/access-numbers: what callers dial."""

from typing import Final
from uuid import UUID

from pydantic import BaseModel, Field

from bridge.api import paging
from bridge.api.operations import Operation
from bridge.api.paging import Paged
from bridge.api.services import Call
from bridge.api.wire import Answer, Page, Request, Text, Time
from bridge.domain.tenancy import AccessNumber, NumberKind
from bridge.usecases import provision


class NewAccessNumber(Request):
    number: Text = Field(examples=["+1 800 555 0100"])
    kind: NumberKind = NumberKind.LOCAL


class AccessNumberAnswer(Answer):
    id: UUID
    number: str
    kind: NumberKind
    created_at: Time

    @classmethod
    def of(cls, number: AccessNumber) -> "AccessNumberAnswer":
        return cls.model_validate(number, from_attributes=True)


async def create(call: Call) -> BaseModel:
    body: NewAccessNumber = call.body
    made = await provision.add_access_number(call.services.tenants, body.number, body.kind)
    return AccessNumberAnswer.of(made)


async def read_page(call: Call) -> BaseModel:
    limit = call.query.limit
    found = await call.services.tenants.access_numbers(limit + 1, paging.after_id(call.query.cursor))
    page, cursor = paging.cut(found, limit, lambda number: str(number.id))
    return Page[AccessNumberAnswer](items=[AccessNumberAnswer.of(number) for number in page], next_cursor=cursor)


OPERATIONS: Final = (
    Operation(
        "create_access_number", "POST", "/v1/access-numbers", "Add a number that callers dial", create,
        AccessNumberAnswer, 201, body=NewAccessNumber, refusals=(409,),
    ),
    Operation(
        "list_access_numbers", "GET", "/v1/access-numbers", "List access numbers", read_page,
        Page[AccessNumberAnswer], query=Paged,
    ),
)  # fmt: skip
