"""The parts of the product that its outer interfaces, REST and the console, call."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from bridge.domain.access.client_address import Network
from bridge.domain.access.principal import Principal
from bridge.domain.access.wrong_keys import WrongKeys
from bridge.domain.admission.grant import RoomOwner
from bridge.domain.errors import BridgeError, Unavailable
from bridge.domain.phone import CallerNumbers
from bridge.usecases.access.ports import ApiKeys, AuditLog, IdempotencyStore, Ownership
from bridge.usecases.admission.ports import Blocks, RefusedEntries
from bridge.usecases.billing.ports import BilledStays, Tariffs
from bridge.usecases.conference.ports import LiveRooms, ParticipantControl
from bridge.usecases.metering.ports import Minutes
from bridge.usecases.provisioning.ports import Keys, Tenants
from bridge.usecases.webhooks.ports import Webhooks

log = structlog.get_logger()

CATCH_UP_S: Final = 5.0
FOLLOW_UP_S: Final = 5.0


class Freshness(Protocol):
    """The local directory, as the node that takes a change sees it."""

    async def catch_up(self) -> None:
        """Apply all committed changes, so that this node admits callers by them before the response goes out.

        If Postgres is lost meanwhile, nothing is raised: the directory applies the changes later by itself.
        """

    def owner(self, room_id: str) -> RoomOwner | None:
        """The owner of a room, None for an unknown room."""


@dataclass(frozen=True, slots=True)
class Services:
    """All parts, put together by the daemon.

    `unit_of_work` makes one transaction of everything done within it; within another one it is a part of that, with a
    rollback of its own. `acting` tells the audit log who acts, and from which address. `private_webhooks` allows
    webhooks into private networks.
    """

    tenants: Tenants
    tariffs: Tariffs
    minutes: Minutes
    billed_stays: BilledStays
    keys: Keys
    freshness: Freshness
    rooms: LiveRooms
    participants: ParticipantControl
    attempts: RefusedEntries
    blocks: Blocks
    api_keys: ApiKeys
    ownership: Ownership
    idempotency: IdempotencyStore
    audit_log: AuditLog
    webhooks: Webhooks
    unit_of_work: Callable[[], AbstractAsyncContextManager[None]]
    acting: Callable[[Principal, str], AbstractContextManager[None]]
    operator_key: str
    wrong_keys: WrongKeys
    trusted_proxies: Sequence[Network]
    caller_numbers: CallerNumbers
    private_webhooks: bool

    async def refresh(self) -> None:
        """Make this node know a committed change.

        If it cannot, the request has succeeded all the same. An error would hide the digits of new passcodes for good.
        """
        try:
            async with asyncio.timeout(CATCH_UP_S):
                await self.freshness.catch_up()
        except (TimeoutError, Unavailable) as error:
            log.warning("directory_behind", error=str(error) or "it took too long", mend="it follows by itself")

    async def follow_up(self, afterwards: Iterable[Callable[[], Awaitable[object]]]) -> None:
        """Do what has to follow a committed change, such as hanging up. The change stands even where this fails."""
        for each in afterwards:
            try:
                async with asyncio.timeout(FOLLOW_UP_S):
                    await each()
            except (TimeoutError, BridgeError) as error:
                log.warning("follow_up_failed", error=str(error) or "it took too long", mend="do it again by hand")
