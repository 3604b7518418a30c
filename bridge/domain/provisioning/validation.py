"""Checks of the fields that people fill in, by name: the same wherever the field stands."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar

from bridge.domain import money, phone, text
from bridge.domain.errors import Invalid
from bridge.domain.provisioning import tenants, trunk
from bridge.domain.provisioning.changes import UNSET, Changes, Fields
from bridge.domain.provisioning.quotas import Quota
from bridge.domain.provisioning.tenants import PasscodeTerms

Checked = TypeVar("Checked", bound=Fields | Changes | PasscodeTerms)
CALLERS_MAX: Final = 100_000
PARTICIPANTS_MAX: Final = 10_000
QUOTA_MAX: Final = 100_000_000
USES_MAX: Final = 1_000_000_000
COST_CENTRE_MAX: Final = 64
LABEL_MAX: Final = 100
GREETING: Final = r"[a-z0-9_-]{1,60}"
PROJECT_CODE: Final = r"[0-9]{1,16}"


def checked(value: Checked) -> Checked:
    """Check each field of a value, and return it with each in its usual form. Raises Invalid."""
    checks = ((each.name, getattr(value, each.name)) for each in fields(value) if each.name in _CHECKS)
    return replace(value, **{name: field(name, one) for name, one in checks if one is not UNSET})


def field(name: str, value: Any) -> Any:
    """Check one field, and return its value in its usual form. Raises Invalid."""
    return _CHECKS[name](value)


def window(terms: PasscodeTerms) -> PasscodeTerms:
    """Terms whose times are in order. Raises Invalid."""
    if terms.valid_from is not None and terms.valid_until is not None and terms.valid_from >= terms.valid_until:
        raise Invalid("valid_until", "lies after valid_from")
    return terms


def _zoned(field: str, at: datetime | None) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise Invalid(field, "give the time zone, such as 2026-11-01T00:00:00Z")
    return at


def _like(field: str, pattern: str, said: str, given: str) -> str:
    if not re.fullmatch(pattern, given):
        raise Invalid(field, said)
    return given


def _up_to(field: str, most: int) -> Callable[[int | None], int | None]:
    return partial(text.at_most, field, most=most)


_CHECKS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "name": text.name,
    "user_id": lambda given: text.line("user_id", given, text.USER_ID_MAX),
    "cost_centre": lambda given: text.line("cost_centre", given, COST_CENTRE_MAX, 0),
    "labels": text.labels,
    "label": lambda given: text.line("label", given, LABEL_MAX, 0),
    "currency": money.currency,
    "time_zone": tenants.time_zone,
    "number": phone.number,
    "max_callers": _up_to("max_callers", CALLERS_MAX),
    "max_participants": _up_to("max_participants", PARTICIPANTS_MAX),
    **{quota.field: _up_to(quota.field, QUOTA_MAX) for quota in Quota},
    "max_uses": _up_to("max_uses", USES_MAX),
    "valid_from": partial(_zoned, "valid_from"),
    "valid_until": partial(_zoned, "valid_until"),
    "greeting": partial(
        _like, "greeting", f"({GREETING})?", "the name of a sound: 1 to 60 of a-z, 0-9, _ and -, or nothing"
    ),
    "addresses": partial(trunk.addresses, "addresses"),
    "media_networks": partial(trunk.addresses, "media_networks"),
    "registrar": trunk.registrar,
    "username": trunk.username,
    "password": lambda given: given and trunk.password(given),
    "codecs": trunk.codecs,
    "prefix": trunk.prefix,
    "country": trunk.country,
    "public_address": trunk.public_address,
    "max_calls": partial(text.at_most, "max_calls", most=trunk.CALLS_MAX),
    "max_dialogues": partial(text.at_most, "max_dialogues", most=trunk.CALLS_MAX),
    "trunk_ids": lambda given: tuple(dict.fromkeys(given)),
    "code": partial(_like, "code", PROJECT_CODE, "1 to 16 digits"),
}
