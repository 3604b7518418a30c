"""CSV files that spreadsheets write: each row is read as the JSON object that it stands for."""

import contextlib
import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from bridge.api.http.bulk import csv_items
from bridge.api.http.problems import Problem
from bridge.api.http.wire import Request


class Item(Request):
    word: str | None = None
    number: int | None = None
    good: bool = False
    words: list[str] | None = None
    labels: dict[str, str] | None = None


WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(str.strip).filter(bool)
PARTS = WORDS.map(lambda word: word.replace(";", "").replace("=", "").strip()).filter(bool)
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "word": WORDS,
        "number": st.integers(-(10**18) + 1, 10**18 - 1),
        "good": st.booleans(),
        "words": st.lists(PARTS, min_size=1, max_size=3),
        "labels": st.dictionaries(PARTS, PARTS, min_size=1, max_size=3),
    },
).filter(bool)


def cell(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return "; ".join(value)
        case dict():
            return "; ".join(f"{key}={text}" for key, text in value.items())
        case _:
            return str(value)


@given(items=st.lists(ITEMS, min_size=1, max_size=5), bom=st.booleans(), end=st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_is_read(items: list[dict[str, object]], bom: bool, end: str) -> None:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(Item.model_fields), lineterminator=end)
    writer.writeheader()
    writer.writerows({name: cell(value) for name, value in item.items()} for item in items)
    read = csv_items.read(file.getvalue().encode("utf-8-sig" if bom else "utf-8"), Item)
    assert list(read) == list(enumerate(items, 2))


@given(raw=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: ("word,number\n" + text).encode()))
def test_any_file_is_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(Problem):
        for line, item in csv_items.read(raw, Item):
            assert line > 1
            assert item
