"""Signatures of webhooks by Standard Webhooks 1.0.0 (standardwebhooks.com).

HMAC-SHA-256 over `id.timestamp.body`, in the headers webhook-id, webhook-timestamp (seconds since 1970) and
webhook-signature.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

SECRET_BYTES: Final = 32
PREFIX: Final = "whsec_"


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets that sign a webhook's messages: the current one, and the former one until `former_until`."""

    current: str
    former: str = ""
    former_until: datetime | None = None

    def at(self, now: datetime) -> tuple[str, ...]:
        """Return the secrets that sign at an instant, the current one first."""
        if self.former_until is not None and now < self.former_until:
            return self.current, self.former
        return (self.current,)

    def rotated(self, new: str, until: datetime | None) -> "Secrets":
        """Return secrets with a new current one.

        The former one goes on signing until `until`, without it not at all.
        """
        return Secrets(new, self.current, until) if until is not None else Secrets(new)

    @property
    def text(self) -> str:
        """The text that is sealed and stored; `of_text` reads it."""
        if self.former_until is None:
            return self.current
        return f"{self.current} {self.former} {self.former_until.isoformat()}"

    @classmethod
    def of_text(cls, text: str) -> "Secrets":
        match text.split(" "):
            case [current, former, until]:
                return cls(current, former, datetime.fromisoformat(until))
            case _:
                return cls(text)


def secret(random: bytes) -> str:
    """Return a secret in the form its owner gets, made of SECRET_BYTES random bytes."""
    return PREFIX + base64.b64encode(random).decode()


def headers(secrets: Secrets, message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """Return the headers of one attempt.

    `message_id` must not contain a full stop, which separates the signed parts.
    """
    timestamp = int(now.timestamp())
    signed = [signature(each, message_id, timestamp, body) for each in secrets.at(now)]
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signed)}


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Return `v1,` and the signature in base64, under a secret in the form its owner has."""
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    mac = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac).decode()
