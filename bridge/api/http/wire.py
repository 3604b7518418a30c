"""Types of fields, and base models of bodies and queries. Requests are read strictly."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from bridge.domain import notation

Item = TypeVar("Item")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})", re.I)
_PRICE: Final = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9998, 1, 1, tzinfo=UTC)


def _clean(text: str) -> str:
    if "\x00" in text:
        raise ValueError("NUL is no text")
    return text


def _time(given: object) -> datetime:
    if isinstance(given, str) and _TIME.fullmatch(given):
        return datetime.fromisoformat(given.upper())
    raise ValueError("write a time as RFC 3339, with at most microseconds, such as 2026-11-01T00:00:00Z")


def _within_reach(at: datetime) -> datetime:
    if not _EARLIEST <= at < _LATEST:
        raise ValueError("a time lies between 1970 and 9997")
    return at


def _price(given: object) -> Decimal:
    match given:
        case str() if _PRICE.fullmatch(given):
            return Decimal(given)
        case int() | float() if not isinstance(given, bool):
            return Decimal(str(given))
        case _:
            raise ValueError("write a price as a string of digits with at most six decimals, such as '0.049'")


_TIME_SCHEMA: Final = WithJsonSchema({"type": "string", "format": "date-time"})
_PRICE_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [{"type": "string", "pattern": f"^{_PRICE.pattern}$"}, {"type": "number", "minimum": 0}],
    "examples": ["0.049"],
}

Text = Annotated[str, AfterValidator(_clean), Field(max_length=500)]
Name = Annotated[str, AfterValidator(_clean), Field(min_length=1, max_length=200)]
Time = Annotated[datetime, PlainSerializer(notation.rfc3339, return_type=str), _TIME_SCHEMA]
GivenTime = Annotated[AwareDatetime, AfterValidator(_within_reach), BeforeValidator(_time), _TIME_SCHEMA]
Amount = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
Price = Annotated[
    Decimal, Field(ge=0, le=100_000, decimal_places=6), BeforeValidator(_price), WithJsonSchema(_PRICE_SCHEMA)
]
# Generators for languages with sized integers choose 32 bits without a format: enough for 35 minutes only.
Micros = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]


class Request(BaseModel):
    """The body of a request: unknown fields are refused, and no value is converted to another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Query(BaseModel):
    """The query of an operation: unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """The body of a response."""

    model_config = ConfigDict(frozen=True)


class Page(Answer, Generic[Item]):
    """One page of a list. `next_cursor` is the `cursor` of the next page, null after the last."""

    items: list[Item]
    next_cursor: str | None = Field(default=None, description="`cursor` of the next page. Null: this is the last page.")
