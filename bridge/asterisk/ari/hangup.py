"""Hangs up on participants, by ARI."""

from collections.abc import Set
from typing import Final
from uuid import UUID

import structlog

from bridge.asterisk.ari.client import Ari, AriFailed, AriUnreachable
from bridge.domain.admission.seats import Seats
from bridge.domain.errors import Unavailable
from bridge.domain.metering.records import CAUSE_DISCONNECTED
from bridge.usecases.admission.ports import PresentParticipants

log = structlog.get_logger()

NOT_FOUND: Final = 404


class ParticipantHangup:
    """Implements ports.ParticipantControl.

    Participants are found by the seats in memory, and those who came before a restart by the ledger.
    """

    def __init__(self, node: str, seats: Seats, present: PresentParticipants) -> None:
        self._node = node
        self._seats = seats
        self._present = present
        self._ari: Ari | None = None

    def connected(self, ari: Ari | None) -> None:
        """Set the connection to Asterisk, None while there is none."""
        self._ari = ari

    async def hang_up(
        self,
        *,
        account_id: UUID | None = None,
        sub_account_id: UUID | None = None,
        room_id: UUID | None = None,
        passcode_id: UUID | None = None,
    ) -> int:
        if all(one is None for one in (account_id, sub_account_id, room_id, passcode_id)):
            raise ValueError("name whose callers are to be ended")
        inside = self._seats.of(
            account_id=_text(account_id),
            sub_account_id=_text(sub_account_id),
            room_id=_text(room_id),
            passcode_id=_text(passcode_id),
        )
        try:
            inside |= await self._present.inside(
                self._node,
                account_id=account_id,
                sub_account_id=sub_account_id,
                room_id=room_id,
                passcode_id=passcode_id,
            )
        except Unavailable as error:
            log.warning(
                "participants_unknown",
                error=str(error),
                mend="callers who joined before the daemon's last start may stay: ask again once Postgres answers",
            )
        return await self._end(inside)

    async def _end(self, channels: Set[str]) -> int:
        ari, ended = self._ari, 0
        if ari is None:
            raise AriUnreachable("Asterisk can't be asked now to hang up on those inside; try again shortly")
        for channel in sorted(channels):
            try:
                await ari.request("DELETE", f"channels/{channel}", {"reason_code": str(CAUSE_DISCONNECTED)})
                ended += 1
            except AriFailed as error:
                if error.status != NOT_FOUND:
                    raise AriUnreachable(f"ARI answers, but does not hang up: {error}") from error
        log.info("callers_ended", count=ended)
        return ended


def _text(one: UUID | None) -> str | None:
    return None if one is None else str(one)
