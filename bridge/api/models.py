"""What goes over the wire, as pydantic models: requests are strict, answers are the contract."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from bridge.domain import money, statement
from bridge.domain.minutes import Stay
from bridge.domain.passcode import Role
from bridge.domain.rating import TariffVersion
from bridge.domain.tenancy import AccessNumber, Account, Kind, NumberKind, Passcode, SubAccount
from bridge.usecases.ports import LiveConference

Item = TypeVar("Item")
_FORBIDDEN = re.compile(r"[\x00\ud800-\udfff]")


def _clean(text: str) -> str:
    if _FORBIDDEN.search(text):
        raise ValueError("NUL and lone surrogates are not text")
    return text


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Text = Annotated[str, AfterValidator(_clean), Field(max_length=500)]
Time = Annotated[
    datetime, PlainSerializer(_rfc3339, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]
Given = Annotated[AwareDatetime, WithJsonSchema({"type": "string", "format": "date-time"})]
Amount = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
Price = Annotated[
    Decimal,
    Field(ge=0, le=100_000, decimal_places=6, max_digits=12),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,6}(\.[0-9]{1,6})?$"}),
]
Micros = Annotated[int, Field(ge=0)]


class Request(BaseModel):
    """A body that a client sends: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """A body that we send."""

    model_config = ConfigDict(frozen=True)


class Page(Answer, Generic[Item]):
    """One page of a list; `next_cursor` asks for the next, null at the end."""

    items: list[Item]
    next_cursor: str | None = None


class NewAccount(Request):
    name: Text = Field(examples=["Northwind Legal"])
    currency: Text = Field(description="ISO 4217", examples=["USD"])
    time_zone: Text = Field(description="IANA time zone: it bounds the billing months", examples=["America/New_York"])


class AccountAnswer(Answer):
    id: UUID
    name: str
    currency: str
    time_zone: str
    state: str
    created_at: Time

    @classmethod
    def of(cls, account: Account) -> "AccountAnswer":
        return cls.model_validate(account, from_attributes=True)


class NewSubAccount(Request):
    user_id: Text = Field(description="the account's own name for it, unique within the account", examples=["e-1007"])
    name: Text = Field(examples=["Ada Jensen"])
    kind: Kind = Kind.EMPLOYEE


class PasscodeAnswer(Answer):
    id: UUID
    role: Role
    state: str
    digits: str | None = Field(None, description="only where they may be revealed, as on creation")

    @classmethod
    def of(cls, passcode: Passcode) -> "PasscodeAnswer":
        return cls.model_validate(passcode, from_attributes=True)


class RoomAnswer(Answer):
    id: UUID
    name: str
    passcodes: list[PasscodeAnswer]


class SubAccountAnswer(Answer):
    id: UUID
    account_id: UUID
    user_id: str
    name: str
    kind: Kind
    state: str
    created_at: Time
    rooms: list[RoomAnswer]

    @classmethod
    def of(cls, sub_account: SubAccount) -> "SubAccountAnswer":
        return cls.model_validate(sub_account, from_attributes=True)


class NewPasscode(Request):
    role: Role
    digits: Text | None = Field(None, description="a code of the owner's choice; generated when left out")


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


class NewTariff(Request):
    account_id: UUID
    effective_from: Given
    per_minute: Price
    connect_fee: Price = Decimal(0)
    first_increment_s: int = Field(60, ge=1, le=3600)
    next_increment_s: int = Field(60, ge=1, le=3600)
    decimals: int | None = Field(
        None, ge=0, le=money.MAX_DECIMALS, description="of a charge; the currency's if left out"
    )


class TariffAnswer(Answer):
    id: UUID
    account_id: UUID
    effective_from: Time
    per_minute: Amount
    connect_fee: Amount
    first_increment_s: int
    next_increment_s: int
    decimals: int

    @classmethod
    def of(cls, version: TariffVersion) -> "TariffAnswer":
        return cls(
            id=version.id,
            account_id=version.account_id,
            effective_from=version.effective_from,
            per_minute=plain(version.per_minute, version.decimals),
            connect_fee=plain(version.connect_fee, version.decimals),
            first_increment_s=version.first_increment_s,
            next_increment_s=version.next_increment_s,
            decimals=version.decimals,
        )


class MinuteAnswer(Answer):
    """One stay of one participant; `left_at` is null while it lasts."""

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

    @classmethod
    def of(cls, stay: Stay) -> "MinuteAnswer":
        amount = None if stay.amount is None else plain(stay.amount, money.minor_decimals(stay.currency or "USD"))
        rest = {name: getattr(stay, name) for name in cls.model_fields if name != "amount"}
        return cls(**rest, amount=amount)


class ParticipantCharge(Answer):
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
    detail: list[ConferenceLine] | None = Field(None, description="with ?detail=true")


class StatementAnswer(Answer):
    """The bill of one account for one month: lines add up to the subtotal; subtotal + tax + rounding = total."""

    id: UUID
    account_id: UUID
    number: str | None
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
    def of(cls, bill: statement.Statement, bill_id: UUID, detail: bool) -> "StatementAnswer":
        coins = money.minor_decimals(bill.account.currency)
        return cls(
            id=bill_id,
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
        participants=[
            ParticipantCharge(
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
            for stay in conference.participants
        ],
    )


class LiveParticipantAnswer(Answer):
    uniqueid: str
    caller: str
    role: str
    joined_at: Time
    muted: bool
    talking: bool


class LiveConferenceAnswer(Answer):
    """A conference that is going on, as AMI tells it."""

    room_id: str
    started_at: Time
    participants: list[LiveParticipantAnswer]

    @classmethod
    def of(cls, conference: LiveConference) -> "LiveConferenceAnswer":
        return cls.model_validate(conference, from_attributes=True)


def plain(amount: Decimal, least: int) -> str:
    """An amount without exponent, with no more decimals than it needs, but `least` at the least."""
    normal = amount.normalize()
    exponent = normal.as_tuple().exponent
    assert isinstance(exponent, int)
    return f"{normal:.{max(least, -exponent)}f}"
