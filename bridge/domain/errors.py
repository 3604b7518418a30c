"""What can go wrong in the product's own words. The edges turn these into problem documents, exit codes and prompts."""

from collections.abc import Sequence


class BridgeError(Exception):
    """Something the product refuses or cannot do, told so that the reader can act on it."""


class NotFound(BridgeError):
    """There is no such thing, or it is not yours to see."""


class Conflict(BridgeError):
    """The request contradicts what is there already.

    `field` names the input that does, the way its sender wrote it, where one alone does.
    """

    def __init__(self, message: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class Invalid(BridgeError):
    """A value is malformed or out of range.

    `field` names the offending input the way its sender wrote it.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.reason = message


class Forbidden(BridgeError):
    """The key is good, but not for this."""


class Stale(BridgeError):
    """It was changed by somebody else since it was read: read it again, then change it."""


class TooMany(BridgeError):
    """Asked for too often; `retry_after_s` says when to come back."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class InvalidRows(BridgeError):
    """Rows of a bulk request that cannot be carried out: (index from 0, field, reason) each. Nothing was done."""

    def __init__(self, rows: Sequence[tuple[int, str, str]]) -> None:
        super().__init__(f"{len(rows)} rows cannot be carried out; nothing was done")
        self.rows = tuple(rows)


class Unavailable(BridgeError):
    """Something this depends on does not answer now; trying again later may help."""
