"""Whom a passcode lets in, and where: what the local directory answers."""

from dataclasses import dataclass

from bridge.domain.passcode import Role


@dataclass(frozen=True, slots=True)
class Entry:
    """A live passcode, without its digits. Ids are UUIDs in their usual text form."""

    passcode_id: str
    account_id: str
    sub_account_id: str
    room_id: str
    role: Role

    @property
    def ticket(self) -> str:
        """What the dialplan's [bridge-room] takes apart again."""
        return f"{self.account_id}:{self.sub_account_id}:{self.passcode_id}:{self.role}:{self.room_id}"
