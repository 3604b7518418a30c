"""One call as the carrier and the ledger have it: the values that are compared."""

import pytest

from bridge.domain.billing import carrier_call


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("a84b4c76e66710@pbx.example.com", "a84b4c76e66710@pbx.example.com"),
        ('<a b>"c;d,e', "abcde"),
        (" " + "x" * 200, "x" * 127),
        ("", ""),
    ],
)
def test_a_call_id_is_compared_as_the_dialplan_keeps_it(written: str, kept: str) -> None:
    assert carrier_call.call_id(written) == kept
