"""The OpenAPI document is valid, complete, named in the field's words, committed and shown."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import openapi_spec_validator
from yarl import URL

from bridge.api import table
from bridge.api.openapi import document, pages
from tests.api.conftest import DOCUMENT, Api


def test_a_validator_accepts_it() -> None:
    openapi_spec_validator.validate(DOCUMENT, cls=openapi_spec_validator.OpenAPIV31SpecValidator)


def test_schemas_have_names_of_the_field() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in schemas:
        assert re.fullmatch(r"([A-Z][a-z]+)+", name), name
        assert not re.search(r"(Answer|Schema|Response|Input|Output)$", name), name
    assert {"Passcode", "NewPasscode", "PasscodeChange", "PasscodePage", "SubAccountKind", "ApiKey"} <= schemas.keys()


def test_everything_named_is_described_in_sentences() -> None:
    described = {
        **{f"schema {name}": schema for name, schema in DOCUMENT["components"]["schemas"].items()},
        **{f"response {name}": response for name, response in DOCUMENT["components"]["responses"].items()},
        **{f"tag {tag['name']}": tag for tag in DOCUMENT["tags"]},
        "info": DOCUMENT["info"],
    }
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            described[operation["operationId"]] = operation
            assert not operation["summary"].endswith(".")
    for name, each in described.items():
        assert re.match(r"[A-Z`].*\.$", each["description"], re.DOTALL), name


def test_descriptions_of_fields_and_parameters_are_sentences() -> None:
    found = list(_descriptions(DOCUMENT["paths"])) + list(_descriptions(DOCUMENT["components"]))
    assert [text for text in found if not re.match(r"[A-Z`].*[.)`]$", text, re.DOTALL)] == []


def _descriptions(node: Any) -> Iterator[str]:
    match node:
        case dict():
            for key, value in node.items():
                if key == "description" and isinstance(value, str):
                    yield value
                elif key not in {"example", "examples"}:
                    yield from _descriptions(value)
        case list():
            for each in node:
                yield from _descriptions(each)


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for ref in re.findall(r"'\$ref': '([^']*)'", str(DOCUMENT)):
        found: Any = DOCUMENT
        for part in ref.removeprefix("#/").split("/"):
            found = found[part]
        assert found


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
    committed = Path(__file__).parents[3] / "docs" / "openapi.json"
    assert committed.read_text() == document.text(DOCUMENT)


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
    assert seen == {"/docs", *(f"/docs/{name}" for name in pages.FILES)}
    for path in ("/docs/ORIGIN.md", "/docs/../docs.py", "/docs/%2e%2e/docs.py", "/docs/page.html"):
        async with api.client.get(URL(path, encoded=True)) as answer:
            assert answer.status == 404
