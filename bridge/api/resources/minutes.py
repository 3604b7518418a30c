"""/v1/minutes: stays, open and closed."""

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
from bridge.api.http.wire import Amount, Answer, GivenTime, Micros, Page, Time, plain, rfc3339
from bridge.domain import money
from bridge.domain.access.principal import Owner, Scope
from bridge.domain.errors import Invalid
from bridge.domain.metering.records import Stay
from bridge.usecases.metering.ports import Minutes, StayFilter


class MinuteAnswer(Answer):
    """One stay of one participant; `left_at` is null while it lasts.

    `caller_name` is the name of the known caller, as it was when the stay began. `corrects` is the id of the record
    that this one stands in for, which is not listed any more.
    """

    id: UUID
    account_id: UUID | None
    sub_account_id: UUID | None
    user_id: str | None
    room_id: UUID | None
    conference_id: UUID
    uniqueid: str
    role: str
    caller: str
    access_number: str
    project_code: str
    joined_at: Time
    left_at: Time | None
    left_reason: str | None
    duration_us: Micros | None
    billed_seconds: int | None
    amount: Amount | None
    currency: str | None
    evidence: str | None
    error_bound_us: Micros | None
    corrects: UUID | None
    caller_name: str | None

    @classmethod
    def of(cls, stay: Stay) -> "MinuteAnswer":
        amount = None if stay.amount is None else plain(stay.amount, money.minor_decimals(stay.currency or "USD"))
        rest = {name: getattr(stay, name) for name in cls.model_fields if name != "amount"}
        return cls(**rest, amount=amount)


class MinutesQuery(Paged):
    account_id: UUID | None = None
    sub_account_id: UUID | None = None
    room_id: UUID | None = None
    conference_id: UUID | None = None
    caller: str | None = Field(None, pattern=r"^\+?[0-9]{1,20}$")
    joined_from: GivenTime | None = Field(None, alias="from", description="joined at or after")
    joined_until: GivenTime | None = Field(None, alias="to", description="joined before")
    state: Literal["open", "closed"] | None = None


async def read_page(request: ApiRequest) -> Returned:
    query: MinutesQuery = request.query
    owner = request.principal.confined(Owner(query.account_id, query.sub_account_id))
    wanted = StayFilter(
        owner.account_id,
        owner.sub_account_id,
        query.room_id,
        query.conference_id,
        query.caller,
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
    page, cursor = paging.cut(stays, query.limit, lambda stay: f"{rfc3339(stay.joined_at)}|{stay.id}")
    return Page[MinuteAnswer](items=[MinuteAnswer.of(stay) for stay in page], next_cursor=cursor)


async def _csv(minutes: Minutes, wanted: StayFilter) -> AsyncGenerator[bytes, None]:
    """All stays of the filter. Each page is a look-up of its own, so that a slow client holds no transaction open."""
    stays = await minutes.stays(wanted, paging.LIMIT_MAX)
    # The header goes with the first page, so that a look-up that fails still becomes a problem document.
    yield csv_rows.header(MinuteAnswer) + csv_rows.rows(map(MinuteAnswer.of, stays))
    while len(stays) == paging.LIMIT_MAX:
        stays = await minutes.stays(wanted, paging.LIMIT_MAX, (stays[-1].joined_at, stays[-1].id))
        if stays:
            yield csv_rows.rows(map(MinuteAnswer.of, stays))


OPERATIONS: Final = (
    Operation(
        "list_minutes", "GET", "/v1/minutes", "List stays, open and closed, in order of joining", read_page,
        Page[MinuteAnswer], query=MinutesQuery, scope=Scope.SUB_ACCOUNT, produces=(JSON, CSV),
    ),
)  # fmt: skip
