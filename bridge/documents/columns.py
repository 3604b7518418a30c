"""Text in columns of a terminal, where some characters take two columns, or none."""

import unicodedata


def width(text: str) -> int:
    """The number of columns that `text` takes."""
    return sum(map(_columns, text))


def fitted(text: str, columns: int) -> str:
    """`text` in exactly so many columns, cut with an ellipsis or filled up with spaces."""
    if width(text) > columns:
        while width(text) > columns - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (columns - width(text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
