"""Words that people give to things: one line of text, fit for terminals, mails and bills."""

import re
from typing import Final

from bridge.domain.errors import Invalid

NAME_MAX: Final = 200
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What moves a terminal's cursor, breaks a line or turns the direction of writing around."""


def line(field: str, text: str, most: int = NAME_MAX) -> str:
    """The text without blanks around it, 1 to `most` characters. Raises Invalid."""
    stripped = text.strip()
    if not 1 <= len(stripped) <= most or _UNPRINTABLE.search(stripped):
        raise Invalid(field, f"1 to {most} characters, without control characters")
    return stripped
