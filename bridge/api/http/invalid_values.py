"""Problem documents for values that pydantic refuses. They name the first ERRORS_MAX errors."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from bridge.api.http import problems
from bridge.api.http.problems import FieldError, Problem

ERRORS_MAX: Final = 20


def problem(errors: Sequence[FieldError]) -> Problem:
    """The problem document that names the errors."""
    named = errors[:ERRORS_MAX]
    return Problem(422, "Invalid value", "; ".join(f"{each.pointer}: {each.detail}" for each in named), named)


def of_query(error: ValidationError) -> Problem:
    """The problem document for query parameters."""
    return problem([FieldError(str(each["loc"][0])[:100], _said(each["msg"])) for each in _found(error)])


def of_body(error: ValidationError) -> Problem:
    """The problem document for a body."""
    return problem(in_body(error))


def in_body(error: ValidationError, row: int | None = None, line: int | None = None) -> list[FieldError]:
    """The errors in a body, or in item `row` of a bulk request, which began at `line` of a file.

    Raises a 400 Problem if pydantic cannot read the JSON, such as a number of thousands of digits.
    """
    found = _found(error)
    if found[0]["type"] == "json_invalid":
        raise Problem(400, "Bad request", "the body is no JSON that can be read here")
    before = () if row is None else ("items", row)
    begin = "" if line is None else f"line {line}: "
    return [FieldError(problems.pointer(*before, *each["loc"]), begin + _said(each["msg"])) for each in found]


def _found(error: ValidationError) -> list[Any]:
    return error.errors(include_url=False, include_input=False, include_context=False)[:ERRORS_MAX]


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")
