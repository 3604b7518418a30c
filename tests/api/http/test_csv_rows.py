"""Lines of CSV that a spreadsheet reads as text and numbers, never as formulas."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from bridge.api.http import content_disposition, csv_rows


class Row(BaseModel):
    name: str
    caller: str = "+4930123456"
    amount: str = "-0.05"
    count: int | None = None
    well: bool = True


def test_values_are_as_in_json() -> None:
    assert csv_rows.header(Row) == b"name,caller,amount,count,well\r\n"
    rows = [Row(name='Ada, "Countess"\nof Lovelace'), Row(name="Jürgen", count=-7, well=False)]
    assert csv_rows.rows(rows).decode() == (
        '"Ada, ""Countess""\nof Lovelace",+4930123456,-0.05,,true\r\nJürgen,+4930123456,-0.05,-7,false\r\n'
    )


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("=1", "'=1"),
        ("'=1", "''=1"),
        ("+49 30", "'+49 30"),
        ("+", "'+"),
        ("+4930123456", "+4930123456"),
        ("-0.0490", "-0.0490"),
        ("+1.5", "+1.5"),
        ("a=1", "a=1"),
        ("'t Hooft", "'t Hooft"),
        ("", ""),
    ],
)
def test_a_formula_becomes_text_and_a_number_stays(text: str, cell: str) -> None:
    assert csv_rows.harmless(text) == cell


@given(st.text(alphabet=st.one_of(st.sampled_from("=+-@\t\r\n'1.,\"; a"), st.characters(codec="utf-8"))))
def test_every_text_comes_back(text: str) -> None:
    written = csv_rows.rows([Row(name=text)]).decode()
    [cells] = csv.reader(io.StringIO(written, newline=""))
    formula = "'+[=+\\-@\t\r\n=+-@]"
    assert (cells[0][1:] if re.match(formula, cells[0]) else cells[0]) == text
    assert cells[1] == "+4930123456"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("minutes.csv", 'filename="minutes.csv"'),
        ("../../etc/passwd", 'filename="_.._etc_passwd"'),
        ('a"\r\nSet-Cookie: x=1', "filename=\"a_Set-Cookie_ x_1\"; filename*=UTF-8''a_Set-Cookie_%20x%3D1"),
        ("\u202egpj.exe", 'filename="_gpj.exe"'),
        (". .", 'filename="download"'),
        ("é", "filename=\"_\"; filename*=UTF-8''%C3%A9"),
    ],
)
def test_any_text_makes_a_safe_file_name(name: str, value: str) -> None:
    assert content_disposition.attachment(name) == f"attachment; {value}"
