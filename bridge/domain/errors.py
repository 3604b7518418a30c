"""What can go wrong in the product's own words. The edges turn these into problem documents, exit codes and prompts."""


class BridgeError(Exception):
    """Something the product refuses or cannot do, told so that the reader can act on it."""


class NotFound(BridgeError):
    """There is no such thing, or it is not yours to see."""


class Conflict(BridgeError):
    """The request contradicts what is there already."""


class Invalid(BridgeError):
    """A value is malformed or out of range.

    `field` names the offending input the way its sender wrote it.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.reason = message


class Unavailable(BridgeError):
    """Something this depends on does not answer now; trying again later may help."""
