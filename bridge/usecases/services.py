"""What handlers are given: the parts of the product they speak to, and the request, validated."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from uuid import UUID

import structlog
from prometheus_client import CollectorRegistry

from bridge.domain.access.principal import Owner, Principal
from bridge.domain.admission.entry import RoomOwner
from bridge.domain.errors import BridgeError, Invalid, Unavailable
from bridge.usecases.access.ports import ApiKeys, AuditLog, IdempotencyStore, Ownership
from bridge.usecases.admission.ports import Attempts, Blocks
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
        """Apply all that is committed, so that this node knows it before the answer goes out."""

    def owner(self, room_id: str) -> RoomOwner | None:
        """To whom a room belongs, None for one that is not known."""


@dataclass(frozen=True, slots=True)
class Services:
    """What app.py gives the API. `readiness` names each part with whether it is well, and a line that says so.

    `together` makes one transaction of all that is done within it (within another, a part of that one), `acting` says
    who does it, and from which address, to the audit log. `private_webhooks` lets webhooks go into one's own network.
    """

    tenants: Tenants
    tariffs: Tariffs
    minutes: Minutes
    billed_stays: BilledStays
    keys: Keys
    freshness: Freshness
    rooms: LiveRooms
    participants: ParticipantControl
    attempts: Attempts
    blocks: Blocks
    api_keys: ApiKeys
    ownership: Ownership
    idempotency: IdempotencyStore
    audit_log: AuditLog
    webhooks: Webhooks
    together: Callable[[], AbstractAsyncContextManager[None]]
    acting: Callable[[Principal, str], AbstractContextManager[None]]
    operator_key: str
    private_webhooks: bool
    readiness: Callable[[], Mapping[str, tuple[bool, str]]]
    registry: CollectorRegistry

    async def refresh(self) -> None:
        """Let this node know a change that is committed. The change stands, and is answered for, even if it can't yet:
        whoever asked would otherwise never see the digits that were made."""
        try:
            async with asyncio.timeout(CATCH_UP_S):
                await self.freshness.catch_up()
        except (TimeoutError, Unavailable) as error:
            log.warning("directory_behind", error=str(error) or "it took too long", mend="it follows by itself")

    async def follow_up(self, afterwards: Iterable[Callable[[], Awaitable[object]]]) -> None:
        """Do what a committed change brings with it. The change stands even where this fails."""
        for each in afterwards:
            try:
                async with asyncio.timeout(FOLLOW_UP_S):
                    await each()
            except (TimeoutError, BridgeError) as error:
                log.warning("follow_up_failed", error=str(error) or "it took too long", mend="do it again by hand")


@dataclass(frozen=True, slots=True)
class Call:
    """One validated request. `expected` is the version that If-Match names, None without it.

    What a handler puts into `afterwards` is done once its change is committed and this node knows it.
    """

    services: Services
    principal: Principal
    ids: Mapping[str, UUID]
    body: Any
    query: Any
    expected: int | None = None
    afterwards: list[Callable[[], Awaitable[object]]] = field(default_factory=list)

    @property
    def account_id(self) -> UUID:
        """The account that the query names, or the key's own. Raises Invalid when it is neither."""
        account_id = self.principal.confined(Owner(self.query.account_id)).account_id
        if account_id is None:
            raise Invalid("account_id", "name an account")
        return account_id
