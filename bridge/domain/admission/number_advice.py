"""Advice to operators: the setting that makes a dialled number the access number that was meant."""

from collections.abc import Iterable

import phonenumbers

from bridge.domain import phone

ALIKE_DIGITS = 7
"""Two numbers with the same last digits are taken for two forms of one."""


def advice(trunk: str, sent: str, access_numbers: Iterable[str]) -> str | None:
    """Say which setting of a trunk makes `sent` (digits, as the trunk sends them) an access number; None if none does.

    >>> advice("acme", "8005550100", ["18005550100"])
    'trunk acme sends 8005550100; the access number is 18005550100: set its form to national, country US'
    """
    end = phone.tail(sent, ALIKE_DIGITS)
    meant = next(
        (one for one in access_numbers if len(end) == ALIKE_DIGITS and phone.tail(one, ALIKE_DIGITS) == end), None
    )
    if meant is None or meant == sent:
        return None
    said = f"trunk {trunk} sends {sent}; the access number is {meant}: "
    if sent.endswith(meant):
        return f"{said}set its prefix to {sent.removesuffix(meant)}"
    country = _country(meant)
    if country and phone.caller(sent, country, frozenset()).lstrip("+") == meant:
        return f"{said}set its form to national, country {country}"
    return f"{said}have the trunk send it so, or add {sent} as an access number"


def _country(number: str) -> str:
    """The country whose number this is, the main one where several share its code; empty if there is none."""
    try:
        parsed = phonenumbers.parse(f"+{number}")
    except phonenumbers.NumberParseException:
        return ""
    main = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    found = phonenumbers.region_code_for_number(parsed) or main
    return found if phone.is_country(found) else ""
