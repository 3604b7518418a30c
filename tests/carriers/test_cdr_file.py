"""Carriers' files: usual and unusual headings, times and numbers, and files made to attack the reader."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.carriers import cdr_file, cdr_format, headings
from bridge.carriers.cdr_file import LINE_MAX, CdrFile
from bridge.carriers.cdr_format import CdrFormat
from bridge.domain.billing.carrier_call import CarrierCall
from bridge.domain.errors import BridgeError, Invalid

AT = 1_795_168_800_000_000  # 2026-11-20T10:00:00Z
SECOND = 1_000_000
PLAIN = "caller,called,start,duration\n"
Reads = Callable[..., CdrFile]


@pytest.fixture
def reads(tmp_path: Path) -> Reads:
    """Reads a file of that content, in the format told."""

    def read(content: str | bytes, **told: Any) -> CdrFile:
        path = tmp_path / "carrier.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return cdr_file.read(path, cdr_format.changed(CdrFormat(), told))

    return read


def refused(reads: Reads, content: str | bytes, **told: Any) -> str:
    with pytest.raises(BridgeError) as caught:
        reads(content, **told)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- Formats ------------------------------------------------------------------------------------------------------
def test_headings_are_known_whatever_their_case(reads: Reads) -> None:
    found = reads(
        "Call-ID,A Number,B-Number,Answer Time,End Time,BillSec\n"
        "abc@pbx,+4930123456,18005550100,2026-11-20T10:00:00.25Z,2026-11-20T10:01:00Z,60\n"
    )
    assert not found.unreadable
    assert found.calls == [
        CarrierCall(
            line=2,
            caller="+4930123456",
            number="18005550100",
            sip_call_id="abc@pbx",
            at_us=AT + SECOND // 4,
            from_answer=True,
            duration_us=60 * SECOND,
            answered=True,
        )
    ]


def test_asterisks_own_cdr_with_and_without_header(reads: Reads) -> None:
    header = (
        "accountcode,src,dst,dcontext,clid,channel,dstchannel,lastapp,lastdata,start,answer,end,duration,billsec,"
        "disposition,amaflags,uniqueid,userfield\n"
    )
    rows = (
        '"","4930123456","18005550100","in","""Ada"" <4930123456>","PJSIP/a","","Dial","x","2026-11-20 09:59:55",'
        '"2026-11-20 10:00:00","2026-11-20 10:00:30","35","30","ANSWERED","DOCUMENTATION","1.1",""\n'
        '"","4930123457","18005550100","in","","PJSIP/a","","Dial","x","2026-11-20 09:59:55","",'
        '"2026-11-20 10:00:30","35","0","NO ANSWER","DOCUMENTATION","1.2",""\n'
    )
    columns = {"caller": "2", "number": "3", "start": "10", "answer": "11", "end": "12", "duration": "14"}
    for found in (reads(header + rows), reads(rows, header=False, columns=columns)):
        assert not found.unreadable
        one, other = found.calls
        assert (one.caller, one.at_us, one.duration_us, one.answered) == ("4930123456", AT, 30 * SECOND, True)
        assert (other.at_us, other.from_answer, other.duration_us, other.answered) == (AT - 5 * SECOND, False, 0, False)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_delimiters_encodings_and_line_ends(reads: Reads, delimiter: str, encoding: str, newline: str) -> None:
    rows = [
        ["Ort", "caller", "called", "start", "duration"],
        ["Köln; West, 1|2\t3", "4930123456", "18005550100", "2026-11-20 10:00:00", "1:00"],
    ]
    quoted = [delimiter.join(f'"{cell}"' for cell in row) for row in rows]
    told = {"encoding": encoding} if encoding == "latin-1" else {}
    [call] = reads(newline.join([*quoted, ""]).encode(encoding), **told).calls
    assert (call.line, call.caller, call.at_us, call.duration_us) == (2, "4930123456", AT, 60 * SECOND)


def test_a_title_before_the_header_joined_files_and_blank_lines(reads: Reads) -> None:
    row = "4930123456;18005550100;2026-11-20 10:00:00;60\n"
    header = "A-Number;B-Number;Start Time;Duration\n"
    found = reads(f"Acme Telecom, November\nCustomer: 4711;;;\n\n{header}{row}\n;;;\n{header}{row}")
    assert not found.unreadable
    assert [call.line for call in found.calls] == [5, 9]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-11-20T10:00:00Z", {}),
        ("2026-11-20 11:00:00+01:00", {}),
        ("2026-11-20 10:00", {}),
        ("20261120100000", {}),
        ("20261120T100000", {}),
        ("1795168800", {}),
        ("1795168800.000000", {}),
        ("1795168800000", {}),
        ("2026-11-20 11:00:00", {"time_zone": "Europe/Berlin"}),
        ("20.11.2026 11:00:00", {"time_zone": "Europe/Berlin", "time_format": "%d.%m.%Y %H:%M:%S"}),
        ("11/20/26 05:00 AM", {"time_zone": "America/New_York", "time_format": "%m/%d/%y %I:%M %p"}),
        ("20 Nov 2026 10:00:00 +0000", {"time_format": "%d %b %Y %H:%M:%S %z"}),
    ],
)
def test_times(reads: Reads, text: str, told: dict[str, str]) -> None:
    [call] = reads(f"{PLAIN}1,2,{text},1\n", **told).calls
    assert call.at_us == AT


@pytest.mark.parametrize(
    ("text", "unit", "us"),
    [
        ("60", "s", 60 * SECOND),
        ("60.5", "s", 60_500_000),
        ("60500", "ms", 60_500_000),
        ("0:01:00", "s", 60 * SECOND),
        ("100:00:01.25", "ms", 360_001_250_000),
        ("90:00", "s", 5400 * SECOND),
        ("", "s", None),
    ],
)
def test_durations(reads: Reads, text: str, unit: str, us: int | None) -> None:
    [call] = reads(f"{PLAIN}1,2,2026-11-20T10:00:00Z,{text}\n", duration_unit=unit).calls
    assert call.duration_us == us


def test_decimal_commas(reads: Reads) -> None:
    [call] = reads("caller;called;start;duration\n1;2;2026-11-20T10:00:00Z;60,5\n").calls
    assert call.duration_us == 60_500_000


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+49 (30) 123-456", "+4930123456"),
        ("sip:+4930123456@carrier.example;user=phone", "+4930123456"),
        ("tel:+49-30-123456;ext=1", "+4930123456"),
        ('"""Ada"" <4930123456>"', "4930123456"),
        ('"=""0049301"""', "0049301"),
        ("anonymous", ""),
        ("c8oqz84zk7z", ""),
        ("266696687", ""),
        ("18005550100 (US)", "18005550100"),
        ("4930123xxx", "4930123"),
        ("", ""),
        ("9" * 60, ""),
    ],
)
def test_numbers(reads: Reads, text: str, number: str) -> None:
    [call] = reads(f"{PLAIN}{text},2,2026-11-20T10:00:00Z,1\n").calls
    assert call.caller == number


def test_a_call_id_is_kept_as_the_dialplan_keeps_it(reads: Reads) -> None:
    for written, kept in (("a b+c!@1.2.3.4:5060", "abc@1.2.3.4:5060"), ("x" * 200, "x" * 128)):
        [call] = reads(f"sip_call_id,start\n{written},2026-11-20T10:00:00Z\n").calls
        assert call.sip_call_id == kept


def test_columns_that_are_joined_named_or_counted(reads: Reads) -> None:
    content = "Date,Time,Who,Whom,How long\n2026-11-20,10:00:00,1,2,60\n"
    [call] = reads(content, columns={"caller": "who", "number": "4", "duration": ["How long"]}).calls
    assert (call.caller, call.number, call.at_us, call.duration_us) == ("1", "2", AT, 60 * SECOND)
    [call] = reads(content, columns={"caller": "WHO", "start": ["Date", "Time"]}).calls
    assert call.at_us == AT


def test_an_end_in_place_of_a_duration_or_of_a_start(reads: Reads) -> None:
    [call] = reads("caller,start,end\n1,2026-11-20T10:00:00Z,2026-11-20T10:00:09Z\n").calls
    assert (call.at_us, call.duration_us) == (AT, 9 * SECOND)
    [call] = reads("caller,end,duration\n1,2026-11-20T10:00:09Z,9\n").calls
    assert (call.at_us, call.duration_us) == (AT, 9 * SECOND)


def test_an_empty_file_and_one_without_calls(reads: Reads) -> None:
    assert reads("").calls == reads("\n\n").calls == reads(PLAIN).calls == []


# --- Lines that are no calls --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,2,2026-11-20T10:00:00Z", "has 3 columns; 4 are needed"),
        ("Total,,,3600", "does not tell when"),
        ("1,2,yesterday,60", "start: 'yesterday' is no ISO 8601"),
        ("1,2,2026-11-20,60", "start: "),
        ("1,2,0001-01-01T00:00:00Z,60", "out of reach"),
        ("1,2,2026-11-20T10:00:00Z,soon", "duration: 'soon' is no duration"),
        ("1,2,2026-11-20T10:00:00Z,-1", "duration: "),
        ("1,2,2026-11-20T10:00:00Z,1e9", "duration: "),
        ("1,2,2026-11-20T10:00:00Z,nan", "duration: "),
        ("1,2,2026-11-20T10:00:00Z,999999999999", "more than a year"),
        ("4.93012E+11,2,2026-11-20T10:00:00Z,1", "caller: '4.93012E+11' has lost"),
        ('"1,2,2026-11-20T10:00:00Z,60', "unexpected end of data"),
        ('"1"x,2,2026-11-20T10:00:00Z,60', "expected after"),
        ("1,2,2026-11-20T10:00:00Z\x00,60", "NUL byte"),
        ("1,2," + "x" * 3 * LINE_MAX, "longer than 65536 characters"),
        ("1,2,\u202e\x1b[31m,60", r"'\u202e\x1b[31m'"),
    ],
)
def test_a_bad_line_is_told_and_stops_nothing(reads: Reads, row: str, reason: str) -> None:
    good = "1,2,2026-11-20T10:00:00Z,60\n"
    found = reads(f"{PLAIN}{good}{row}\n{good}")
    assert [call.line for call in found.calls] == [2, 4]
    [bad] = found.unreadable
    assert bad.line == 3
    assert reason in bad.reason
    assert len(bad.reason) < 200
    assert bad.reason.isprintable()


def test_a_wrong_encoding_spoils_no_more_than_it_must(reads: Reads) -> None:
    found = reads("caller,place,start\n1,Köln,2026-11-20T10:00:00Z\n".encode("latin-1"))
    assert len(found.calls) == 1


@given(st.lists(st.binary(max_size=60) | st.just(b"1,2,2026-11-20T10:00:00Z,60"), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_content_stops_the_reading(reads: Reads, rows: list[bytes]) -> None:
    good = b"1,2,2026-11-20T10:00:00Z,60\n"
    found = reads(PLAIN.encode() + good + b"\n".join(rows) + b"\n" + good)
    assert found.calls[0].line == 2
    assert found.calls[-1].line > len(found.calls)
    assert len(found.calls) >= 2 + rows.count(good[:-1])


# --- Files that can't be read -------------------------------------------------------------------------------------
def test_a_file_without_usable_columns_says_what_is_missing_and_what_there_is(reads: Reads) -> None:
    said = refused(reads, "a\nWho,Whom,Price\n1,2,3\n")
    assert "--start-column" in said
    assert "'Who', 'Whom', 'Price'" in said
    assert "--caller-column" in refused(reads, "Whom,Start\n1,2026-11-20T10:00:00Z\n")
    said = refused(reads, PLAIN, columns={"caller": "Anrufer\x1b"})
    assert said.startswith("caller: there is no column 'Anrufer\\x1b'; there are 'caller', 'called'")
    assert "no column '9'" in refused(reads, PLAIN, columns={"caller": "9"})
    assert len(refused(reads, ",".join(["x" * 1000] * 60) + "\n")) < 4000


def test_a_file_of_bad_lines_alone_says_what_is_wrong_with_the_first(reads: Reads) -> None:
    said = refused(reads, f"{PLAIN}1,2,20.11.2026 10:00,60\n1,2,20.11.2026 11:00,60\n")
    assert "line 2: start: '20.11.2026 10:00' is no ISO 8601" in said
    assert "line 2: start: '2026-11-20' is not written as" in refused(
        reads, f"{PLAIN}1,2,2026-11-20,60\n", time_format="%d.%m.%Y %H:%M"
    )


def test_no_file_and_no_text(tmp_path: Path, reads: Reads) -> None:
    for path, reason in ((tmp_path / "none.csv", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(BridgeError, match=reason):
            cdr_file.read(path, CdrFormat())
    assert "encoding" in refused(reads, PLAIN, encoding="hex")
    refused(reads, b"\x1f\x8b\x08\x00\x00\x00\x00\x00")


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ({"colour": "red"}, "colour: "),
        ({"columns": {"price": "x"}}, "columns.price: "),
        ({"columns": {"caller": ""}}, "columns.caller: "),
        ({"columns": {"caller": []}}, "columns.caller: "),
        ({"columns": "caller"}, "columns: "),
        ({"header": "no"}, "header: "),
        ({"header": False, "columns": {"caller": "Who"}}, "columns: "),
        ({"delimiter": ";;"}, "delimiter: "),
        ({"delimiter": '"'}, "delimiter: "),
        ({"encoding": "klingon"}, "encoding: "),
        ({"time_zone": "Mars"}, "time_zone: "),
        ({"time_format": "%d.%m."}, "time_format: "),
        ({"time_format": "%Q"}, "time_format: "),
        ({"time_format": "%Y-%m-%d"}, "time_format: "),
        ({"duration_unit": "h"}, "duration_unit: "),
    ],
)
def test_mistakes_in_a_format(told: dict[str, Any], complaint: str) -> None:
    with pytest.raises(Invalid) as caught:
        cdr_format.changed(CdrFormat(), told)
    assert str(caught.value).startswith(complaint)


def test_a_format_file(tmp_path: Path) -> None:
    path = tmp_path / "acme.toml"
    path.write_text(
        'delimiter = ";"\ntime_format = "%d.%m.%Y %H:%M:%S"\ntime_zone = "Europe/Berlin"\n'
        '[columns]\ncaller = "Rufnummer A"\nstart = ["Datum", "Zeit"]\nduration = 7\n'
    )
    found = cdr_format.read(path)
    assert found.columns == {"caller": ("Rufnummer A",), "start": ("Datum", "Zeit"), "duration": ("7",)}
    assert (found.delimiter, found.time_zone, found.header) == (";", "Europe/Berlin", True)
    changed = cdr_format.changed(found, {"columns": {"caller": "A"}, "delimiter": ","})
    assert (changed.columns["caller"], changed.columns["duration"], changed.delimiter) == (("A",), ("7",), ",")
    for content in (b"= 1", b"\xff", b"[" * 5000):
        path.write_bytes(content)
        with pytest.raises(BridgeError, match="is no TOML"):
            cdr_format.read(path)
    with pytest.raises(BridgeError, match="cannot be read"):
        cdr_format.read(tmp_path / "none.toml")


def test_every_usual_heading_is_bare() -> None:
    assert headings.columns(["SRC ", " Dst", "call-date", "Bill Sec"], {}) == {
        "caller": (0,),
        "number": (1,),
        "start": (2,),
        "duration": (3,),
    }
