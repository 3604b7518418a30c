"""The items of a JSON body are those that a JSON parser finds, whatever the body is."""

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from bridge.api.http.bulk import json_items
from bridge.api.http.problems import Problem

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=2000),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
    max_leaves=20,
)
PARTS = ["{", "}", "[", "]", ":", ",", '"items"', '"x"', "7", "-1.5e3", "null", " ", "\n", "\\", '"', "\ud800"]


@given(items=st.lists(VALUES, max_size=5), indent=st.none() | st.integers(0, 3), ascii=st.booleans())
def test_what_is_written_is_read(items: list[object], indent: int | None, ascii: bool) -> None:
    body = json.dumps({"items": items}, indent=indent, ensure_ascii=ascii).encode("utf-8", "replace")
    found = list(json_items.split(body))
    assert [json.loads(text) for _, text in found] == json.loads(body)["items"]
    text = body.decode()
    assert all(text.startswith(item, at) for at, item in found)


@given(parts=st.lists(st.sampled_from(PARTS), max_size=12), begin=st.sampled_from(["", "{", '{"items":[']))
def test_any_body_is_read_as_json_has_it_or_refused(parts: list[str], begin: str) -> None:
    body = (begin + "".join(parts)).encode("utf-8", "surrogatepass")
    with contextlib.suppress(Problem):
        found = [json.loads(text) for _, text in json_items.split(body)]
        assert {"items": found} == json.loads(body)
