"""Splits the JSON body of a bulk request into its items, one at a time."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from bridge.api.http.problems import FieldError, Problem

ITEM_MAX: Final = 32 * 1024
"""The most characters of one item, and of the blanks between two."""
_USUAL: Final = 1024
"""Most items are shorter. Only so much is copied for them."""
_BLANKS: Final = re.compile(rf"[ \t\n\r]{{0,{ITEM_MAX}}}+")


def split(sent: bytes) -> Iterator[tuple[int, str]]:
    """Yield the items of `{"items": […]}`, each with the place in the body where it begins.

    An item is JSON as Python reads it, which takes more than the standard. Raises Problem.
    """
    try:
        text = sent.decode()
    except UnicodeDecodeError as error:
        raise _no_json("it is not UTF-8", error.start) from None
    reader = _Reader(text)
    if not reader.takes("{"):
        reader.value()
        raise _refusal("", "send an object with the field items")
    seen, more = False, not reader.takes("}")
    while more:
        name = reader.name()
        if name != "items":
            raise _refusal("/" + name[:100].replace("~", "~0").replace("/", "~1"), "there is no such field here")
        if seen:
            raise _refusal("/items", "send it once only")
        seen = True
        yield from _elements(reader)
        more = reader.goes_on("}")
    if not seen:
        raise _refusal("/items", "send a list of items")
    reader.end()


def _elements(reader: "_Reader") -> Iterator[tuple[int, str]]:
    if not reader.takes("["):
        reader.value()
        raise _refusal("/items", "send a list of items")
    more = not reader.takes("]")
    while more:
        yield reader.value()
        more = reader.goes_on("]")


class _Reader:
    """Reads a text from its beginning to its end. Raises a 400 Problem where it is no JSON."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def takes(self, char: str) -> bool:
        """Return True if `char` comes next, which is then read."""
        self._skip_blanks()
        if not self._text.startswith(char, self._at):
            return False
        self._at += 1
        return True

    def goes_on(self, end: str) -> bool:
        """Read what follows an element: return True after a comma, False after `end`."""
        if self.takes(","):
            return True
        if not self.takes(end):
            raise self._failure(f"a comma or {end} is missing")
        return False

    def name(self) -> str:
        """Read the name of a field, and the colon after it."""
        self._skip_blanks()
        found, text = self._decoded()
        if not text.startswith('"'):
            raise self._failure("the name of a field is missing")
        if not self.takes(":"):
            raise self._failure("a colon is missing")
        return str(found)

    def value(self) -> tuple[int, str]:
        """Read one value. Returns the place where it begins, and its text."""
        self._skip_blanks()
        began = self._at
        _, text = self._decoded()
        return began, text

    def end(self) -> None:
        """Read the end of the text."""
        self._skip_blanks()
        if self._at < len(self._text):
            raise self._failure("something follows its end")

    def _skip_blanks(self) -> None:
        blanks = _BLANKS.match(self._text, self._at)
        assert blanks is not None, "no blanks match as well"
        self._at = blanks.end()

    def _decoded(self) -> tuple[Any, str]:
        for most in (_USUAL, ITEM_MAX):
            piece = self._text[self._at : self._at + most]
            whole = self._at + most >= len(self._text)
            try:
                found, end = _DECODER.raw_decode(piece)
            except RecursionError:
                raise self._failure("it is nested too deeply") from None
            except json.JSONDecodeError as error:
                if whole:
                    raise self._failure(error.msg, error.pos) from None
                continue
            if end == len(piece) and not whole:
                # A number may go on behind the piece.
                continue
            self._at += end
            return found, piece[:end]
        raise self._failure(f"it is malformed from here on, or has a part of more than {ITEM_MAX} characters")

    def _failure(self, why: str, further: int = 0) -> Problem:
        return _no_json(why, self._at + further)


# Numbers stay text: only their end matters here, and to convert a long one takes long.
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str)


def _no_json(why: str, at: int) -> Problem:
    return Problem(400, "Bad request", f"the body is no JSON: {why} (character {at + 1})")


def _refusal(pointer: str, why: str) -> Problem:
    return Problem(422, "Invalid value", f"{pointer}: {why}", [FieldError(pointer, why)])
