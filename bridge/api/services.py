"""What handlers are given: the parts of the product they speak to, and the request, validated."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from bridge.usecases.ports import Minutes, Rooms, Tenants
from bridge.usecases.provision import Keys

Model = TypeVar("Model", bound=BaseModel)


class Freshness(Protocol):
    """The local directory, as the node that takes a change sees it."""

    async def catch_up(self) -> None:
        """Apply all that is committed, so that this node knows it before the answer goes out."""


@dataclass(frozen=True, slots=True)
class Services:
    """What app.py gives the API. `readiness` names each part with whether it is well, and a line that says so."""

    tenants: Tenants
    minutes: Minutes
    keys: Keys
    freshness: Freshness
    rooms: Rooms
    operator_key: str
    readiness: Callable[[], Mapping[str, tuple[bool, str]]]
    registry: CollectorRegistry


@dataclass(frozen=True, slots=True)
class Call:
    """One validated request."""

    services: Services
    ids: Mapping[str, UUID]
    body: Any
    query: Any
