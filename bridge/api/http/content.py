"""The kinds of content that a handler may return: `Json | Bytes | Stream`."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Json:
    """A model, sent as application/json. A handler may return the model itself instead."""

    model: BaseModel


@dataclass(frozen=True, slots=True)
class Bytes:
    """A whole document, such as a PDF. With `file_name` it is a download of that name.

    `version` is the document's ETag where the operation is versioned.
    """

    body: bytes
    media_type: str
    file_name: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """Content that is sent while it is made: a long list, a recording, or events without end.

    `chunks` is closed when all is sent, when the client goes away and when the server stops. The time limit of handlers
    holds up to the first chunk, so an event stream yields one at once. An error before it becomes a problem document;
    after it the connection is cut, and the client sees an incomplete response.
    """

    chunks: AsyncGenerator[bytes, None]
    media_type: str
    file_name: str | None = None


Content = Json | Bytes | Stream
Returned = BaseModel | Content | None
"""The return type of handlers; None is an empty response."""
