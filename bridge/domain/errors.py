"""The product's own errors. The edges turn them into problem documents, exit codes and prompts."""

from collections.abc import Sequence


class BridgeError(Exception):
    """Something that the product refuses or can't do. The message is written for a reader who has to act on it."""


class NotFound(BridgeError):
    """There is no such thing, or the caller of the operation may not see it."""


class Conflict(BridgeError):
    """The request contradicts what is there already.

    `field` names the input that is to blame, as its sender wrote it; None where several are.
    """

    def __init__(self, message: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Invalid(BridgeError):
    """A value is malformed or out of range.

    `field` names the input that is to blame, as its sender wrote it.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.reason = message


class Forbidden(BridgeError):
    """The API key is valid, but does not allow this operation."""


class Stale(BridgeError):
    """Somebody else has changed the thing since it was read: read it again, then change it."""


class TooMany(BridgeError):
    """Too many requests of a kind came within a time. `retry_after_s` is the wait before the next one, in seconds."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class InvalidRows(BridgeError):
    """Rows of a bulk request that can't be carried out: (index from 0, field, reason) each. Nothing was done."""

    def __init__(self, rows: Sequence[tuple[int, str, str]]) -> None:
        super().__init__(f"{len(rows)} rows cannot be carried out; nothing was done")
        self.rows = tuple(rows)


class Unavailable(BridgeError):
    """A part that this depends on, such as Postgres or Asterisk, does not answer now. Trying again may help."""
