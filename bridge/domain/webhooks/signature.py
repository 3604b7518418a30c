"""Signatures of webhooks as Standard Webhooks 1.0.0 has them (standardwebhooks.com): HMAC-SHA-256 over
`id.timestamp.body`, in the headers webhook-id, webhook-timestamp (seconds since 1970) and webhook-signature."""

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
    """What a webhook's messages are signed with: the secret, and until an instant the one that it took the place of."""

    current: str
    former: str = ""
    former_until: datetime | None = None

    def at(self, now: datetime) -> tuple[str, ...]:
        """Those that sign at an instant, the present one first."""
        if self.former_until is not None and now < self.former_until:
            return self.current, self.former
        return (self.current,)

    def rotated(self, new: str, until: datetime | None) -> "Secrets":
        """The same with a new secret. Without `until` no other signs any more."""
        return Secrets(new, self.current, until) if until is not None else Secrets(new)

    @property
    def text(self) -> str:
        """As it is kept, sealed."""
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
    """A secret as its owner gets it, of SECRET_BYTES random bytes."""
    return PREFIX + base64.b64encode(random).decode()


def headers(secrets: Secrets, message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """The headers of one attempt. `message_id` has no full stop in it."""
    timestamp = int(now.timestamp())
    signed = [signature(each, message_id, timestamp, body) for each in secrets.at(now)]
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signed)}


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the signature in base64, under a secret as its owner has it."""
    key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    mac = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(mac).decode()
