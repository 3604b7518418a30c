"""Lines of the journal whose values are none that Asterisk or the dialplan writes."""

import pytest

from bridge.domain.metering import journal_line
from bridge.domain.metering.journal_line import Garbage
from tests.domain.metering.journals import HEART, START, CallLines, line

STAMPS = CallLines("n-7.1", START).stamps


@pytest.mark.parametrize(
    "text",
    [
        line("BRIDGE_ENTER", START, "n-7.1", {"bridge_id": "b 1"}, **STAMPS),
        line("BRIDGE_EXIT", START, "n-7.1", {"bridge_id": "b;1"}, **STAMPS),
        line("BOOT", START, "n-1.0", {"extra": "n 1"}, channame=HEART),
        line("PRESENT", START, "n-1.0", {"extra": "1:n-7.1:n 7.2"}, channame=HEART),
    ],
)
def test_a_line_with_characters_that_are_never_stamped_is_garbage(text: bytes) -> None:
    assert journal_line.parse(text) == Garbage("not a journal line")
