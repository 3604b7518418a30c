"""Parses the body of a bulk request, item by item, in a thread beside the event loop.

Python runs one thread at a time, and a library that parses megabytes in one call lets no other thread run until it is
done. So each call gets one item of limited length, and the thread rests every few of them. Errors and too many items
end the work at once.
"""

import time
from collections.abc import Iterator
from typing import Final

import orjson
from pydantic import BaseModel, ValidationError

from bridge.api.http import invalid_values
from bridge.api.http.bulk import csv_items, json_items
from bridge.api.http.media_types import CSV
from bridge.api.http.parsing import ParsedBody
from bridge.api.http.problems import FieldError, Problem

WORK_S: Final = 0.001
REST_S: Final = 0.001
"""The thread rests for REST_S after WORK_S of work. Without rests it would keep the event loop waiting for 5 ms each
time that the loop has something to do."""


def parse(sent: bytes, model: type[BaseModel], media_type: str) -> ParsedBody:
    """The body as the operation's model, which has the one field `items`. Raises Problem."""
    item_model = csv_items.item_model(model)
    least, most = _bounds(model)
    items: list[BaseModel] = []
    errors: list[FieldError] = []
    lines: list[int] = []
    rest_at = time.monotonic() + WORK_S
    for row, (line, raw) in enumerate(_csv(sent, item_model) if media_type == CSV else _json(sent)):
        if row >= most:
            raise invalid_values.problem([FieldError("/items", f"at most {most} items at a time")])
        if line is not None:
            lines.append(line)
        try:
            items.append(item_model.model_validate_json(raw))
        except ValidationError as error:
            errors += invalid_values.in_body(error, row, line)
            if len(errors) >= invalid_values.ERRORS_MAX:
                break
        if time.monotonic() >= rest_at:
            time.sleep(REST_S)
            rest_at = time.monotonic() + WORK_S
    if errors:
        raise invalid_values.problem(errors)
    if len(items) < least:
        raise invalid_values.problem([FieldError("/items", f"at least {least} item")])
    return ParsedBody(model.model_construct(items=items), lines if media_type == CSV else None)


def _bounds(model: type[BaseModel]) -> tuple[int, int]:
    """The least and the most items. Every bulk operation limits them."""
    limits = model.model_fields["items"].metadata
    [least] = [each.min_length for each in limits if hasattr(each, "min_length")]
    [most] = [each.max_length for each in limits if hasattr(each, "max_length")]
    return least, most


def _json(sent: bytes) -> Iterator[tuple[None, bytes]]:
    for began, item in json_items.split(sent):
        raw = item.encode("utf-8", "surrogatepass")
        try:
            # pydantic alone would accept NaN and lone surrogates; orjson refuses both.
            orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            at = began + error.pos + 1
            raise Problem(400, "Bad request", f"the body is no JSON: {error.msg} (character {at})") from None
        yield None, raw


def _csv(sent: bytes, item_model: type[BaseModel]) -> Iterator[tuple[int, bytes]]:
    for line, item in csv_items.read(sent, item_model):
        yield line, orjson.dumps(item)
