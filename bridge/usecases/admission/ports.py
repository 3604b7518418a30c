"""Ports of admission: the directory of passcodes, participants, lockout and refused entries."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from bridge.domain.admission.grant import Barred, DialledNumber, Grant, RoomOwner
from bridge.domain.admission.prompt import Prompt
from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.domain.admission.throttle import Throttle, ThrottleKey
from bridge.domain.admission.throttles import ActiveThrottle
from bridge.domain.errors import BridgeError


class CallerGone(BridgeError):
    """The caller hung up."""


class Caller(Protocol):
    """A call that was offered to us. Every method raises CallerGone once the caller has hung up."""

    @property
    def id(self) -> str:
        """The channel's uniqueid."""

    @property
    def caller(self) -> str:
        """The caller's number as the trunk sent it, in `[0-9+]`, perhaps forged; empty when it is withheld."""

    @property
    def trunk(self) -> str:
        """The address that the call came from."""

    @property
    def number(self) -> str:
        """The access number that was dialled, digits only."""

    @property
    def tries(self) -> int:
        """Wrong entries so far, those before a restart of the daemon included."""

    @property
    def greeted(self) -> bool:
        """Whether an earlier daemon had begun the dialogue."""

    async def answer(self) -> None: ...

    async def speak(self, language: str, greeting: str) -> None:
        """From now on, and in the room, in that language; `greeting` is a sound in place of the usual greeting."""

    async def say(self, *prompts: Prompt) -> None:
        """Begin to play prompts; keys stop them. Returns at once."""

    async def say_whole(self, *prompts: Prompt) -> None:
        """Play prompts to their end."""

    async def key(self, silence_s: float) -> str | None:
        """The next key, or None after `silence_s` without one, counted from the end of the prompt."""

    async def count_try(self, tries: int) -> None:
        """Remember on the call itself how many entries were wrong."""

    async def join(self, entry: Grant) -> None:
        """Hand the caller to the room. Our part ends."""

    async def refuse(self, cause: int = 21) -> None:
        """Mark the call as refused and hang up, for a cause of Q.850."""


class Directory(Protocol):
    """Live passcodes, access numbers and known callers, answered from this machine in microseconds."""

    def number(self, dialled: str) -> DialledNumber | None:
        """The access number that was dialled (digits only), None when it is not one of ours."""

    def find(self, digits: str, number: DialledNumber) -> Grant | Barred | None:
        """The live passcode that `digits` are, whole, on that number. Any other digits find nothing."""

    async def confirm(self, digits: str, number: DialledNumber) -> Grant | Barred | None:
        """One look-up in Postgres, while the directory may lag behind it; None at once when it does not."""

    def longest(self, number: DialledNumber) -> int:
        """The length of the longest code that can be keyed there, 0 when there is none."""

    def pin_matches(self, entry: Grant, digits: str) -> bool:
        """Whether `digits` are the PIN that belongs to the entry."""

    def trusted(self, caller: str, number: DialledNumber) -> Grant | None:
        """The one room that a caller's number opens by itself, as host; None when no sub-account, or more than one that
        can be reached there, trusts it so."""

    def knows(self, caller: str) -> bool:
        """Whether any sub-account knows this caller's number."""

    def owner(self, room_id: str) -> RoomOwner | None:
        """To whom a room belongs, None for one that is not known."""

    async def take_use(self, entry: Grant, uniqueid: str) -> bool:
        """Use up one of the limited uses of a passcode, so that no restart forgets it; False when none is left. Always
        True where uses are not limited. Using it up for the same call again takes nothing."""


class PresentParticipants(Protocol):
    """Those who are inside by the ledger: how they came in is known for those of before a restart too."""

    async def inside(
        self,
        node: str,
        *,
        account_id: UUID | None,
        sub_account_id: UUID | None,
        room_id: UUID | None,
        passcode_id: UUID | None,
    ) -> Set[str]:
        """The uniqueids of open stays that meet every condition that is given. Raises Unavailable."""


class ThrottleStore(Protocol):
    """What lockout knows, kept on this machine: it survives a restart with Postgres away. Raises Unavailable."""

    async def load(self) -> "Remembered": ...

    async def save(
        self,
        throttles: Mapping[ThrottleKey, Throttle | None],
        recent_callers: Mapping[str, float | None],
        attempts: Sequence[RefusedEntry],
    ) -> int:
        """Store throttles and regular callers (None: forget), and queue attempts; how many of the oldest queued ones
        had to be dropped, since the queue is bounded."""

    async def queued(self, limit: int) -> Sequence[RefusedEntry]:
        """Attempts on their way to Postgres, the oldest first."""

    async def dequeue(self, attempts: Sequence[RefusedEntry]) -> None:
        """These have arrived."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What lockout knew when it was stored last."""

    throttles: Mapping[ThrottleKey, Throttle]
    recent_callers: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RefusedEntryFilter:
    """Which attempts are asked for. None asks for all; `since` and `until` bound [since, until)."""

    account_id: UUID | None = None
    caller: str | None = None
    access_number: str | None = None
    reason: Refusal | None = None
    since: datetime | None = None
    until: datetime | None = None


class RefusedEntries(Protocol):
    """Refused entries in Postgres. Raises Unavailable."""

    async def add(self, attempts: Sequence[RefusedEntry]) -> None:
        """Those that are there already stay as they are."""

    async def page(
        self, wanted: RefusedEntryFilter, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> Sequence[RefusedEntry]:
        """In order of (time, id), after a given pair."""

    async def prune(self, before: datetime) -> None:
        """Delete older ones."""


class Blocks(Protocol):
    """Who has to wait, or is not listened to, on this node now."""

    def active(self) -> Sequence[ActiveThrottle]:
        """The keys that make wait or block now, the highest level first."""

    async def lift(self, block_id: UUID) -> None:
        """Forget all failures of a key. Raises NotFound when it has none."""
