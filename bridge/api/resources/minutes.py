"""/v1/minutes: minute records of stays, open and closed."""

from collections.abc import AsyncGenerator
from typing import Final, Literal
from uuid import UUID

from pydantic import Field

from bridge.api.http import csv_rows, paging
from bridge.api.http.content import Returned, Stream
from bridge.api.http.media_types import CSV, JSON
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Amount, Answer, GivenTime, Micros, Page, Time
from bridge.domain import money, notation
from bridge.domain.access.principal import Owner, Scope
from bridge.domain.errors import Invalid
from bridge.domain.metering.records import Evidence, Reason, Stay
from bridge.usecases.metering.ports import Minutes, StayFilter


class MinuteRecordSchema(Answer):
    """One stay of one participant in one conference.

    While the stay is open, `left_at` and everything that depends on the end is null. A closed stay without a price is
    not rated yet: no tariff was in force.
    """

    id: UUID = Field(description="Id of the stay, the same while it is open and when it is closed.")
    account_id: UUID | None
    sub_account_id: UUID | None
    user_id: str | None = Field(description="User ID of the sub-account when the stay began.")
    room_id: UUID | None
    conference_id: UUID = Field(description="Conference: from the first join in a room until the room is empty again.")
    uniqueid: str = Field(description="Unique id of the call on the switch.")
    role: str = Field(description="Role of the participant: `host`, `guest` or `listener`.")
    caller: str = Field(
        description="Number of the caller, E.164 with its +; without + if it is no number of the public network, such "
        "as an extension; empty if it was withheld."
    )
    access_number: str = Field(description="Access number that was dialled.")
    trunk_id: UUID | None = Field(description="Trunk that the call came over. Null: one without a name.")
    project_code: str = Field(description="Project code that the stay is charged to; may be empty.")
    joined_at: Time
    left_at: Time | None
    left_reason: Reason | None
    duration_us: Micros | None = Field(description="Length of the stay, in microseconds.")
    billed_seconds: int | None = Field(description="Length after rounding by the tariff, in seconds.")
    amount: Amount | None = Field(description="Price of the stay.")
    currency: str | None = Field(description="Currency of the amount, a code of ISO 4217.")
    evidence: Evidence | None
    error_bound_us: Micros | None = Field(
        description="Microseconds by which an estimated stay may have been longer; 0 if it was measured."
    )
    corrects: UUID | None = Field(description="Id of the earlier record that this one replaces; lists leave it out.")
    caller_name: str | None = Field(description="Name of the known caller when the stay began.")

    @classmethod
    def of(cls, stay: Stay) -> "MinuteRecordSchema":
        amount = (
            None if stay.amount is None else notation.amount(stay.amount, money.minor_decimals(stay.currency or "USD"))
        )
        rest = {name: getattr(stay, name) for name in cls.model_fields if name != "amount"}
        return cls(**rest, amount=amount)


class MinutesQuery(Paged):
    account_id: UUID | None = Field(None, description="Only stays of this account.")
    sub_account_id: UUID | None = Field(None, description="Only stays of this sub-account.")
    room_id: UUID | None = Field(None, description="Only stays in this room.")
    conference_id: UUID | None = Field(None, description="Only stays in this conference.")
    caller: str | None = Field(
        None, max_length=60, description="Only stays of this phone number, however it is written. Empty: withheld."
    )
    joined_from: GivenTime | None = Field(
        None, alias="from", description="Only stays that began at this instant or later."
    )
    joined_until: GivenTime | None = Field(None, alias="to", description="Only stays that began before this instant.")
    state: Literal["open", "closed"] | None = Field(None, description="Only stays that go on, or that have ended.")


async def read_page(request: ApiRequest) -> Returned:
    query: MinutesQuery = request.query
    owner = request.principal.confined(Owner(query.account_id, query.sub_account_id))
    wanted = StayFilter(
        owner.account_id,
        owner.sub_account_id,
        query.room_id,
        query.conference_id,
        None if query.caller is None else request.services.caller_numbers.searched(query.caller),
        query.joined_from,
        query.joined_until,
        None if query.state is None else query.state == "open",
    )
    minutes = request.services.minutes
    if request.media_type == CSV:
        if paged := query.model_fields_set & Paged.model_fields.keys():
            raise Invalid(min(paged), f"{CSV} has all rows: leave limit and cursor out")
        return Stream(_csv(minutes, wanted), CSV, "minutes.csv")
    stays = await minutes.stays(wanted, query.limit + 1, paging.after_stay(query.cursor))
    page, cursor = paging.cut(stays, query.limit, lambda stay: f"{notation.rfc3339(stay.joined_at)}|{stay.id}")
    return Page[MinuteRecordSchema](items=[MinuteRecordSchema.of(stay) for stay in page], next_cursor=cursor)


async def _csv(minutes: Minutes, wanted: StayFilter) -> AsyncGenerator[bytes, None]:
    """All stays of the filter. Each page is a look-up of its own, so that a slow client holds no transaction open."""
    stays = await minutes.stays(wanted, paging.LIMIT_MAX)
    # The header goes with the first page, so that a look-up that fails still becomes a problem document.
    yield csv_rows.header(MinuteRecordSchema) + csv_rows.rows(map(MinuteRecordSchema.of, stays))
    while len(stays) == paging.LIMIT_MAX:
        stays = await minutes.stays(wanted, paging.LIMIT_MAX, (stays[-1].joined_at, stays[-1].id))
        if stays:
            yield csv_rows.rows(map(MinuteRecordSchema.of, stays))


OPERATIONS: Final = (
    Operation(
        "list_minutes", "GET", "/v1/minutes", "List minute records, open and closed, in order of joining", read_page,
        Page[MinuteRecordSchema], query=MinutesQuery, scope=Scope.SUB_ACCOUNT, produces=(JSON, CSV),
    ),
)  # fmt: skip
