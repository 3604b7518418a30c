"""Participants in memory. tests/contracts/admission holds it to what the real one does."""

from collections.abc import Set
from dataclasses import dataclass, field
from uuid import UUID

from bridge.domain.errors import Unavailable
from bridge.domain.metering.records import OpenStay


@dataclass
class FakePresentParticipants:
    """Implements admission_ports.PresentParticipants."""

    stays: list[OpenStay] = field(default_factory=list)
    away: bool = False

    async def inside(
        self,
        node: str,
        *,
        account_id: UUID | None,
        sub_account_id: UUID | None,
        room_id: UUID | None,
        passcode_id: UUID | None,
    ) -> Set[str]:
        if self.away:
            raise Unavailable("Postgres is away")
        conditions = [id and str(id) for id in (account_id, sub_account_id, room_id, passcode_id)]
        return {
            stay.identity.uniqueid
            for stay in self.stays
            if stay.identity.node == node
            and stay.left_us is None
            and all(
                condition in (None, value)
                for condition, value in zip(
                    conditions, (stay.account_id, stay.sub_account_id, stay.room, stay.passcode_id), strict=True
                )
            )
        }
