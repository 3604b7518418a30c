"""The OpenAPI document is whole, and no body that anyone could think of gets anything but an answer it describes."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from bridge.api import docs, openapi, table

from .conftest import DOCUMENT, NOBODY, Api

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLAUSIBLE = st.sampled_from(
    ["x", "USD", "UTC", "host", "1", NOBODY, "2026-11-01T00:00:00Z", "0.05", 60, 0, -1, None, "\x00", "é" * 300]
)


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    text = str(DOCUMENT)
    for name in DOCUMENT["components"]["schemas"]:
        text = text.replace(f"#/components/schemas/{name}'", "")
    assert "#/components/schemas/" not in text


def test_every_operation_is_in_it_once() -> None:
    described = {
        (method.upper(), path, operation["operationId"])
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }
    assert described == {(one.method, one.path, one.name) for one in table.OPERATIONS}
    assert len({one.name for one in table.OPERATIONS}) == len(table.OPERATIONS) == len(described)


async def test_it_is_what_is_served(api: Api) -> None:
    async with api.client.get("/openapi.json") as answer:
        served = await answer.json()
    assert served["openapi"].startswith("3.1")
    assert served == DOCUMENT


def test_it_is_what_is_committed() -> None:
    """`make openapi` renews it."""
    committed = Path(__file__).parents[2] / "docs" / "openapi.json"
    assert committed.read_text() == openapi.text(DOCUMENT)


async def test_docs_are_made_of_files_of_ours_alone(api: Api) -> None:
    seen, wanted = set(), {"/docs"}
    while wanted:
        path = wanted.pop()
        seen.add(path)
        async with api.client.get(path) as answer:
            assert answer.status == 200, path
            policy = answer.headers["Content-Security-Policy"]
            assert not re.search(r"https?:|unsafe|\*", policy)
            assert "default-src 'none'" in policy
            if answer.content_type == "text/html":
                page = await answer.text()
                assert not re.search(r"<script(?! src)|<style|\son\w+=", page)
                wanted |= {each for each in re.findall(r'(?:src|href)="(/[^"]+)"', page) if each.startswith("/docs")}
    assert seen == {"/docs", *(f"/docs/{name}" for name in docs.FILES)}
    for path in ("/docs/ORIGIN.md", "/docs/../docs.py", "/docs/%2e%2e/docs.py", "/docs/page.html"):
        async with api.client.get(URL(path, encoded=True)) as answer:
            assert answer.status == 404


def _bodies(model: Any) -> st.SearchStrategy[Any]:
    fields = {name: PLAUSIBLE | ANYTHING for name in model.model_fields}
    return st.fixed_dictionaries({}, optional=fields) | ANYTHING


@pytest.mark.parametrize("operation", [one for one in table.OPERATIONS if one.body], ids=lambda one: one.name)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_body_is_answered(api: Api, operation: Any, data: st.DataObject) -> None:
    body = data.draw(_bodies(operation.body))
    path = operation.path.replace("{account_id}", NOBODY).replace("{room_id}", NOBODY)
    answer = await api("POST", path, data=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status in {201, 400, 404, 409, 422}


@pytest.mark.parametrize("operation", [one for one in table.OPERATIONS if one.query], ids=lambda one: one.name)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_query_is_answered(api: Api, operation: Any, data: st.DataObject) -> None:
    names = [field.alias or name for name, field in operation.query.model_fields.items()]
    values = PLAUSIBLE.filter(lambda value: value is not None).map(str) | st.text()
    query = data.draw(st.dictionaries(st.sampled_from(names) | st.text(max_size=4), values, max_size=4))
    path = operation.path
    for name in ("account_id", "room_id", "sub_account_id"):
        path = path.replace(f"{{{name}}}", NOBODY)
    answer = await api("GET", path, params=query)
    assert answer.status in {200, 404, 422}
