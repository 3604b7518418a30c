"""/v1/statements: the bill, down to each participant."""

from typing import Any, Final, Literal
from uuid import UUID, uuid5

from pydantic import BaseModel, Field

from bridge.api.http import paging
from bridge.api.http.operations import Operation
from bridge.api.http.paging import Paged
from bridge.api.http.request import ApiRequest
from bridge.api.http.wire import Amount, Answer, Micros, Page, Time, plain
from bridge.domain import money
from bridge.domain.access.principal import Scope
from bridge.domain.billing import statement
from bridge.domain.billing.statement import Statement
from bridge.usecases.billing.issue_statement import issue_statement

_STATEMENTS: Final = UUID("b9d3f0c2-53c1-5d0a-8a55-0d7f7a2f6c44")


class ParticipantCharge(Answer):
    """A stay, under the id it has in /v1/minutes."""

    id: UUID
    role: str
    caller: str
    joined_at: Time
    left_at: Time
    duration_us: Micros
    billed_seconds: int
    amount: Amount
    evidence: str


class ConferenceLine(Answer):
    conference_id: UUID
    room_name: str
    started_at: Time
    ended_at: Time
    duration_us: Micros
    billed_seconds: int
    amount: Amount
    participants: list[ParticipantCharge]


class StatementLine(Answer):
    sub_account_id: UUID
    user_id: str
    name: str
    kind: str
    conferences: int
    stays: int
    duration_us: Micros
    billed_seconds: int
    amount: Amount
    detail: list[ConferenceLine] | None = Field(None, description="the conferences; null with ?detail=false")


class StatementAnswer(Answer):
    """The bill of one account for one month: lines add up to the subtotal; subtotal + tax + rounding = total."""

    id: UUID
    account_id: UUID
    number: str | None = Field(description="null for a draft")
    period: str
    state: Literal["draft"]
    currency: str
    subtotal: Amount
    tax: Amount
    rounding: Amount
    total: Amount
    lines: list[StatementLine]
    project_codes: list[dict[str, Any]]
    unrated: int = Field(description="closed stays with no tariff in force, in no line yet")
    open: int = Field(description="stays that go on, in no line yet")

    @classmethod
    def of(cls, bill: Statement, detail: bool = True) -> "StatementAnswer":
        coins = money.minor_decimals(bill.account.currency)
        return cls(
            id=uuid5(_STATEMENTS, f"{bill.account.id}|{bill.period.name}"),
            account_id=bill.account.id,
            number=None,
            period=bill.period.name,
            state="draft",
            currency=bill.account.currency,
            subtotal=plain(bill.subtotal, coins),
            tax=plain(bill.tax, coins),
            rounding=plain(bill.rounding, coins),
            total=plain(bill.total, coins),
            lines=[_line(line, coins, detail) for line in bill.lines],
            project_codes=[],
            unrated=bill.unrated,
            open=bill.open,
        )


class StatementQuery(Paged):
    account_id: UUID | None = Field(None, description="the key's own, if left out; the operator has to name one")
    period: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}$", examples=["2026-11"])
    detail: bool = Field(True, description="open each line down to conferences and participants")


async def read_page(request: ApiRequest) -> BaseModel:
    query: StatementQuery = request.query
    bill = await issue_statement(
        request.services.tenants, request.services.billed_stays, request.account_id, query.period
    )
    page, cursor = paging.slice_of([bill], query, lambda found: found.period.name)
    items = [StatementAnswer.of(found, query.detail) for found in page]
    return Page[StatementAnswer](items=items, next_cursor=cursor)


def _line(line: statement.Line, coins: int, detail: bool) -> StatementLine:
    return StatementLine(
        sub_account_id=line.sub_account_id,
        user_id=line.user_id,
        name=line.name,
        kind=line.kind,
        conferences=len(line.conferences),
        stays=line.stays,
        duration_us=line.duration_us,
        billed_seconds=line.billed_seconds,
        amount=plain(line.amount, coins),
        detail=[_conference(conference, coins) for conference in line.conferences] if detail else None,
    )


def _conference(conference: statement.ConferenceLine, coins: int) -> ConferenceLine:
    return ConferenceLine(
        conference_id=conference.conference_id,
        room_name=conference.room_name,
        started_at=conference.started_at,
        ended_at=conference.ended_at,
        duration_us=conference.duration_us,
        billed_seconds=conference.billed_seconds,
        amount=plain(conference.amount, coins),
        participants=[_participant(stay, coins) for stay in conference.participants],
    )


def _participant(stay: statement.BilledStay, coins: int) -> ParticipantCharge:
    return ParticipantCharge(
        id=stay.id,
        role=stay.role,
        caller=stay.caller,
        joined_at=stay.joined_at,
        left_at=stay.left_at,
        duration_us=stay.duration_us,
        billed_seconds=stay.billed_seconds,
        amount=plain(stay.amount, coins),
        evidence=stay.evidence,
    )


OPERATIONS: Final = (
    Operation(
        "list_statements", "GET", "/v1/statements", "The bill of one account for one month", read_page,
        Page[StatementAnswer], query=StatementQuery, refusals=(404,), scope=Scope.ACCOUNT,
    ),
)  # fmt: skip
