"""The body of a message: an event with its subject as JSON, in the form of REST, without digits and PINs."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from bridge.domain import money, notation
from bridge.domain.metering.records import Stay
from bridge.domain.webhooks.event import Event

SECRET: Final = frozenset({"digits", "pin"})


def payload(event: Event) -> dict[str, Any]:
    """Return the whole body: {"id", "type", "created_at", "account_id", "data"}."""
    return {
        "id": str(event.id),
        "type": event.kind.value,
        "created_at": _plain(event.created_at),
        "account_id": _plain(event.account_id),
        "data": data(event.subject),
    }


def data(subject: object) -> Any:
    """Render a value of the domain as JSON: times RFC 3339 in UTC with microseconds, amounts and ids as strings.

    Digits and PINs of passcodes are left out, however deep they stand.
    """
    if isinstance(subject, Stay):
        decimals = money.minor_decimals(subject.currency or "USD")
        amount = None if subject.amount is None else notation.amount(subject.amount, decimals)
        return {**_fields(subject), "amount": amount}
    return _plain(subject)


def at_joining(stay: Stay) -> Stay:
    """Return the stay as it was when it began, without what came later."""
    return replace(
        stay,
        left_at=None,
        left_reason=None,
        duration_us=None,
        billed_seconds=None,
        amount=None,
        currency=None,
        evidence=None,
        error_bound_us=None,
    )


def _plain(value: object) -> Any:
    match value:
        case None | bool() | int():
            return value
        case Enum():
            return value.value
        case datetime():
            return notation.rfc3339(value)
        case str() | UUID() | Decimal():
            return str(value)
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case tuple() | list():
            return [_plain(each) for each in value]
        case _:
            return _fields(value)


def _fields(value: object) -> dict[str, Any]:
    assert is_dataclass(value), f"{type(value).__name__} has no form as JSON"
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.name not in SECRET}
