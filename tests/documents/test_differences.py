"""Differences as rows and as CSV: nothing that a carrier wrote is a formula to a spreadsheet."""

import csv
import io
from dataclasses import replace
from datetime import UTC

import pytest

from bridge.documents import differences
from bridge.domain.billing.carrier_call import Unreadable
from bridge.domain.billing.carrier_reconciliation import reconcile
from tests.domain.billing.carrier_books import SECOND, START, TERMS, own, theirs


def test_a_row_for_each_difference() -> None:
    calls = [
        own(1, call_id="a@pbx"),
        replace(own(2, START + 10**9, caller="4989111222", call_id="b@pbx"), evidence="estimated"),
        own(3, START + 2 * 10**9),
        own(4, START + 3 * 10**9, None),
    ]
    file = [
        replace(theirs(2, calls[0]), at_us=START + 3 * SECOND, caller="4940777", number="18005550199"),
        replace(theirs(3, calls[1]), duration_us=72 * SECOND),
        replace(theirs(4, calls[3]), duration_us=SECOND),
        theirs(5, own(9, START + 4 * 10**9, 2.5)),
    ]
    rows = list(differences.rows(reconcile(file, calls, TERMS), [Unreadable(6, "has 1 columns")], UTC))
    assert all(tuple(row) == differences.COLUMNS for row in rows)
    told = [(row["verdict"], row["line"], row["uniqueid"], row["difference"]) for row in rows]
    first = "start +2.800 s; caller 4940777, ours +4930123456; number 18005550199, ours 18005550100"
    assert told == [
        ("differs", "2", "node1-1.1", first),
        ("differs", "3", "node1-2.1", "duration +12.000 s (ours is estimated)"),
        ("differs", "4", "node1-4.1", "still open with us"),
        ("only carrier", "5", "", ""),
        ("only ours", "", "node1-3.1", "joined"),
        ("unreadable", "6", "", "has 1 columns"),
    ]
    assert [row["carrier_seconds"] for row in rows] == ["60.000000", "72.000000", "1.000000", "2.500000", "", ""]
    assert [row["our_seconds"] for row in rows] == ["60.000000", "60.000000", "", "", "60.000000", ""]
    assert rows[1]["sip_call_id"] == "b@pbx"


@pytest.mark.parametrize("cell", ["=1+1", "@SUM(A1)", "+1+1", "-1+1", "\tx", "\r=1", "-cmd|x"])
def test_no_cell_is_a_formula(cell: str) -> None:
    file = io.StringIO(newline="")
    differences.write(file, [dict.fromkeys(differences.COLUMNS, cell)])
    [row] = csv.DictReader(io.StringIO(file.getvalue(), newline=""))
    assert set(row.values()) == {f"'{cell}"}


@pytest.mark.parametrize("cell", ["+4930123456", "-1.500", "60.000000", "", "differs", "a@b"])
def test_figures_and_words_stay_as_they_are(cell: str) -> None:
    file = io.StringIO(newline="")
    differences.write(file, [dict.fromkeys(differences.COLUMNS, cell)])
    [row] = csv.DictReader(io.StringIO(file.getvalue(), newline=""))
    assert set(row.values()) == {cell}
