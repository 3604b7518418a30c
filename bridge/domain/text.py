"""Texts that people write, such as names, labels and notes, made comparable and harmless."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from bridge.domain.errors import Invalid

NAME_MAX: Final = 200
USER_ID_MAX: Final = 64
LABELS_MAX: Final = 20
LABEL_KEY_MAX: Final = 40
LABEL_VALUE_MAX: Final = 100
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""Characters that move a terminal's cursor, break a line or reverse the direction of writing."""
_KEY: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")


def line(field: str, given: str, most: int = NAME_MAX, least: int = 1) -> str:
    """`given` in Unicode's composed form, without spaces around it. Raises Invalid."""
    clean = unicodedata.normalize("NFC", given).strip()
    if not least <= len(clean) <= most or _UNPRINTABLE.search(clean):
        raise Invalid(field, f"{least} to {most} characters, without control characters")
    return clean


def name(given: str, field: str = "name") -> str:
    """A name in its usual form. Raises Invalid."""
    return line(field, given)


def labels(given: Mapping[str, str]) -> dict[str, str]:
    """Labels in their usual form. Keys and values are of an account's own choice. Raises Invalid."""
    if len(given) > LABELS_MAX:
        raise Invalid("labels", f"at most {LABELS_MAX} labels")
    for key in given:
        if len(key) > LABEL_KEY_MAX or not _KEY.fullmatch(key):
            raise Invalid("labels", f"a key has 1 to {LABEL_KEY_MAX} characters of a-z, 0-9, _, . and -")
    return {key: line("labels", value, LABEL_VALUE_MAX) for key, value in given.items()}


def at_most(field: str, given: int | None, most: int) -> int | None:
    """A limit from 1 to `most`, or None for no limit. Raises Invalid."""
    if given is not None and not 1 <= given <= most:
        raise Invalid(field, f"1 to {most}, or null for no limit")
    return given
