"""/v1/statements: the bill of an account, down to each participant."""

from typing import Any, Final, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, Field

from bridge.api.http import paging
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Amount, Answer, Micros, Page, Time
from bridge.domain import money, notation
from bridge.domain.access.principal import Scope
from bridge.domain.billing import statement
from bridge.domain.billing.statement import Statement
from bridge.domain.metering.records import Evidence
from bridge.domain.provisioning.tenants import SubAccountKind
from bridge.usecases.billing.issue_statement import issue_statement

_STATEMENTS: Final = UUID("b9d3f0c2-53c1-5d0a-8a55-0d7f7a2f6c44")


class ParticipantChargeSchema(Answer):
    """The price of one stay."""

    id: UUID = Field(description="Id of the minute record in `/v1/minutes`.")
    role: str = Field(description="Role of the participant: `host`, `guest` or `listener`.")
    caller: str = Field(description="Number of the caller, digits only; empty if it was withheld.")
    joined_at: Time
    left_at: Time
    duration_us: Micros = Field(description="Length of the stay, in microseconds.")
    billed_seconds: int = Field(description="Length after rounding by the tariff, in seconds.")
    amount: Amount
    evidence: Evidence


class ConferenceChargeSchema(Answer):
    """The price of one conference, the sum of its participants."""

    conference_id: UUID
    room_name: str
    started_at: Time = Field(description="First join of a billed stay.")
    ended_at: Time = Field(description="Last leave of a billed stay.")
    duration_us: Micros = Field(description="Sum of all stays, in microseconds.")
    billed_seconds: int = Field(description="Sum of all stays after rounding by the tariff, in seconds.")
    amount: Amount
    participants: list[ParticipantChargeSchema]


class StatementLineSchema(Answer):
    """The price of all conferences of one sub-account."""

    sub_account_id: UUID
    user_id: str = Field(description="User ID of the sub-account in its latest billed stay; so are name and kind.")
    name: str
    kind: SubAccountKind
    conferences: int = Field(description="Number of conferences.")
    stays: int = Field(description="Number of stays.")
    duration_us: Micros = Field(description="Sum of all stays, in microseconds.")
    billed_seconds: int = Field(description="Sum of all stays after rounding by the tariff, in seconds.")
    amount: Amount = Field(description="Sum of all stays.")
    detail: list[ConferenceChargeSchema] | None = Field(
        None, description="The conferences of the line. Null if the request has `detail=false`."
    )


class StatementSchema(Answer):
    """The bill of one account for one month. The lines add up to the subtotal; subtotal + tax + rounding = total."""

    id: UUID
    account_id: UUID
    number: str | None = Field(description="Number of the bill. Null for a draft.")
    period: str = Field(description="Month, as YYYY-MM.", examples=["2026-11"])
    state: Literal["draft"] = Field(description="A draft changes with each new minute record.")
    currency: str
    subtotal: Amount = Field(description="Sum of the lines.")
    tax: Amount
    rounding: Amount = Field(description="What rounding to the currency's minor unit adds to the subtotal.")
    total: Amount
    lines: list[StatementLineSchema]
    project_codes: list[dict[str, Any]] = Field(description="Reserved for sums by project code; empty today.")
    unrated: int = Field(description="Number of closed stays that no line contains, since no tariff was in force.")
    open: int = Field(description="Number of stays that no line contains yet, since they go on.")

    @classmethod
    def of(cls, bill: Statement, detail: bool = True) -> "StatementSchema":
        coins = money.minor_decimals(bill.account.currency)
        return cls(
            id=uuid5(_STATEMENTS, f"{bill.account.id}|{bill.period.name}"),
            account_id=bill.account.id,
            number=None,
            period=bill.period.name,
            state="draft",
            currency=bill.account.currency,
            subtotal=notation.amount(bill.subtotal, coins),
            tax=notation.amount(bill.tax, coins),
            rounding=notation.amount(bill.rounding, coins),
            total=notation.amount(bill.total, coins),
            lines=[_line(line, coins, detail) for line in bill.lines],
            project_codes=[],
            unrated=bill.unrated,
            open=bill.open,
        )


class StatementsQuery(Paged):
    account_id: UUID | None = Field(
        None, description="Account; by default that of the API key. Operator keys have to name one."
    )
    period: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}$", description="Month, as YYYY-MM.", examples=["2026-11"])
    detail: bool = Field(True, description="Show the conferences and participants of each line.")


async def read_page(request: ApiRequest) -> BaseModel:
    query: StatementsQuery = request.query
    bill = await issue_statement(
        request.services.tenants, request.services.billed_stays, request.account_id, query.period
    )
    page, cursor = paging.slice_of([bill], query, lambda one: one.period.name)
    items = [StatementSchema.of(one, query.detail) for one in page]
    return Page[StatementSchema](items=items, next_cursor=cursor)


def _line(line: statement.Line, coins: int, detail: bool) -> StatementLineSchema:
    return StatementLineSchema(
        sub_account_id=line.sub_account_id,
        user_id=line.user_id,
        name=line.name,
        kind=SubAccountKind(line.kind),
        conferences=len(line.conferences),
        stays=line.stays,
        duration_us=line.duration_us,
        billed_seconds=line.billed_seconds,
        amount=notation.amount(line.amount, coins),
        detail=[_conference(conference, coins) for conference in line.conferences] if detail else None,
    )


def _conference(conference: statement.ConferenceLine, coins: int) -> ConferenceChargeSchema:
    return ConferenceChargeSchema(
        conference_id=conference.conference_id,
        room_name=conference.room_name,
        started_at=conference.started_at,
        ended_at=conference.ended_at,
        duration_us=conference.duration_us,
        billed_seconds=conference.billed_seconds,
        amount=notation.amount(conference.amount, coins),
        participants=[_participant(stay, coins) for stay in conference.participants],
    )


def _participant(stay: statement.BilledStay, coins: int) -> ParticipantChargeSchema:
    return ParticipantChargeSchema(
        id=stay.id,
        role=stay.role,
        caller=stay.caller,
        joined_at=stay.joined_at,
        left_at=stay.left_at,
        duration_us=stay.duration_us,
        billed_seconds=stay.billed_seconds,
        amount=notation.amount(stay.amount, coins),
        evidence=Evidence(stay.evidence),
    )


OPERATIONS: Final = (
    Operation(
        "list_statements", "GET", "/v1/statements", "List the statements of an account for a month", read_page,
        Page[StatementSchema], query=StatementsQuery, refusals=(404,), scope=Scope.ACCOUNT,
    ),
)  # fmt: skip
