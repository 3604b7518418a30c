"""Control over participants in memory. tests/contracts/conference holds it to what the real one does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from bridge.domain.errors import Unavailable


@dataclass
class FakeParticipantControl:
    """Implements conference_ports.ParticipantControl.

    `inside` are the ids of account, sub-account, room and passcode of each participant, by uniqueid. `requests` are
    the conditions that were asked for.
    """

    inside: dict[str, Mapping[str, UUID]] = field(default_factory=dict)
    requests: list[Mapping[str, UUID | None]] = field(default_factory=list)
    away: bool = False

    async def hang_up(
        self,
        *,
        account_id: UUID | None = None,
        sub_account_id: UUID | None = None,
        room_id: UUID | None = None,
        passcode_id: UUID | None = None,
    ) -> int:
        request = {
            "account_id": account_id,
            "sub_account_id": sub_account_id,
            "room_id": room_id,
            "passcode_id": passcode_id,
        }
        conditions = {name: value for name, value in request.items() if value is not None}
        if not conditions:
            raise ValueError("no condition is given")
        if self.away:
            raise Unavailable("the switch is away")
        self.requests.append(request)
        meant = [uniqueid for uniqueid, ids in self.inside.items() if conditions.items() <= ids.items()]
        for uniqueid in meant:
            del self.inside[uniqueid]
        return len(meant)
