"""Ports of admission: the caller, the directory of passcodes, participants, throttles and refused entries."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from bridge.domain.admission.bucket import Bucket, BucketKey, BucketPolicy
from bridge.domain.admission.grant import Barred, DialledNumber, Grant, RoomOwner
from bridge.domain.admission.numbering import IncomingTrunk
from bridge.domain.admission.prompt import Prompt
from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.domain.admission.regulars import Visitor, Visits
from bridge.domain.admission.slots import ShortBucket
from bridge.domain.errors import BridgeError
from bridge.domain.provisioning.code_lengths import LiveCodes


class CallerGone(BridgeError):
    """The caller hung up."""


class Caller(Protocol):
    """A call that was offered to this node. Every method raises CallerGone once the caller has hung up."""

    @property
    def id(self) -> str:
        """The channel's uniqueid."""

    @property
    def caller(self) -> str:
        """The caller's number as the trunk sent it, perhaps forged; empty when it is withheld, or is none."""

    @property
    def trunk(self) -> str:
        """The address of the trunk that the call came from."""

    @property
    def trunk_id(self) -> str:
        """The id of the trunk, empty for the unnamed one."""

    @property
    def number(self) -> str:
        """The dialled number as the trunk sent it: a user part, or a header field with a URI. Perhaps forged."""

    @property
    def trunk_calls(self) -> int:
        """The number of calls over this trunk when this one came, itself included; 0 where nobody counts."""

    @property
    def answered(self) -> bool:
        """True if the call was answered before the dialogue began, to play music while no daemon was there."""

    @property
    def tries(self) -> int:
        """The number of wrong entries so far, those before a restart of the daemon included."""

    @property
    def greeted(self) -> bool:
        """True if a daemon that has ended since had begun the dialogue."""

    async def identify(self, caller: str, access_number: str) -> None:
        """Put both numbers on the call itself in their one form, so that every later line of the journal has them."""

    async def answer(self) -> None: ...

    async def media_address(self) -> str:
        """The IP address that the call's audio goes to, once the call is answered; empty if it has none."""

    async def speak(self, language: str, greeting: str) -> None:
        """Play prompts in this language from now on, in the room too. `greeting` is a sound that replaces the usual
        greeting, empty for the usual one."""

    async def say(self, *prompts: Prompt) -> None:
        """Begin to play prompts, which the next key stops. Returns at once."""

    async def say_whole(self, *prompts: Prompt) -> None:
        """Play prompts to their end."""

    async def key(self, silence_s: float) -> str | None:
        """Wait for the next key. None after `silence_s` without one, counted from the end of the prompt."""

    async def count_try(self, tries: int) -> None:
        """Store the number of wrong entries on the call itself, where a later daemon finds it."""

    async def join(self, grant: Grant) -> None:
        """Hand the caller over to the room. The dialogue has no further part in the call."""

    async def refuse(self, cause: int = 21) -> None:
        """Mark the call as refused and hang up with a cause of Q.850."""


class Directory(Protocol):
    """Live passcodes, access numbers and known callers. This machine answers, in microseconds.

    Only `confirm` asks Postgres, while the directory may lag behind it.
    """

    def trunk(self, trunk_id: str) -> IncomingTrunk:
        """The trunk of this id. Without an id, or while the directory lacks the trunk, it is as one without a name."""

    def number(self, dialled: str) -> DialledNumber | None:
        """The access number that was dialled (digits only), None when it is unknown."""

    def find(self, digits: str, number: DialledNumber) -> Grant | Barred | None:
        """Look up a whole passcode on an access number. None if `digits` are no code that exists there."""

    async def confirm(self, digits: str, number: DialledNumber) -> Grant | Barred | None:
        """Look the passcode up in Postgres, if the directory may lag behind it. None at once if it does not."""

    def lengths(self, number: DialledNumber) -> LiveCodes:
        """The number of live codes that an entry on this number is compared with, by their length."""

    def pin_matches(self, grant: Grant, digits: str) -> bool:
        """Return True if `digits` are the PIN of the grant's passcode."""

    def trusted(self, caller: str, number: DialledNumber) -> Grant | None:
        """The room that a caller's number opens without a code, as host.

        None if no sub-account that can be reached on this access number trusts the caller so, or if several do.
        """

    def known_by(self, caller: str) -> frozenset[str]:
        """The ids of the sub-accounts that know this caller's number."""

    def owner(self, room_id: str) -> RoomOwner | None:
        """The owner of a room, None if the room is unknown."""

    async def take_use(self, grant: Grant, uniqueid: str) -> bool:
        """Use a passcode up by one, durably. Return False if no use is left, always True where uses are not limited.

        The same call uses a code up only once, however often this is asked.
        """


class PresentParticipants(Protocol):
    """Participants who are inside by the ledger, which knows the passcode of those who came before a restart too."""

    async def inside(
        self,
        node: str,
        *,
        account_id: UUID | None,
        sub_account_id: UUID | None,
        room_id: UUID | None,
        passcode_id: UUID | None,
    ) -> Set[str]:
        """The uniqueids of open stays that meet every condition. None is no condition. Raises Unavailable."""


class GuardStore(Protocol):
    """Buckets, regulars and queued refused entries, stored on this machine.

    They survive a restart while Postgres is away. Every method raises Unavailable when the store can't be used.
    """

    async def load(self) -> "Remembered":
        """All buckets and regulars that were stored."""

    async def save(
        self,
        buckets: Mapping[BucketKey, Bucket | None],
        regulars: Mapping[Visitor, Visits | None],
        attempts: Sequence[RefusedEntry],
    ) -> int:
        """Store buckets and regulars (None: delete), and append refused entries to the queue.

        The queue is bounded: return the number of oldest entries that were dropped from it.
        """

    async def queued(self, limit: int) -> Sequence[RefusedEntry]:
        """Refused entries that wait for Postgres, the oldest first, `limit` at most."""

    async def dequeue(self, attempts: Sequence[RefusedEntry]) -> None:
        """Delete refused entries from the queue, since Postgres has them."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The stored buckets and regulars."""

    buckets: Mapping[BucketKey, Bucket]
    regulars: Mapping[Visitor, Visits]


class GuessStock(Protocol):
    """The expected openings that all nodes may still spend, in Postgres. Raises Unavailable."""

    async def draw(self, most: float, policy: BucketPolicy) -> float:
        """Take up to `most` out of the stock, which fills by `policy`, half of it at most. Returns what was taken."""


@dataclass(frozen=True, slots=True)
class RefusedEntryFilter:
    """Conditions on refused entries. None is no condition; `since` and `until` bound [since, until).

    `callers` are all forms in which the records may have one caller's number. `viewer` is an account: only what it may
    see, which are the entries that concern it, and those of numbers that have entered its rooms alone of late.
    """

    viewer: UUID | None = None
    account_id: UUID | None = None
    callers: frozenset[str] | None = None
    access_number: str | None = None
    reason: Refusal | None = None
    since: datetime | None = None
    until: datetime | None = None


class RefusedEntries(Protocol):
    """Refused entries in Postgres. Raises Unavailable."""

    async def add(self, attempts: Sequence[RefusedEntry]) -> None:
        """Add refused entries. One that is there already, by its id, stays as it is."""

    async def page(
        self, wanted: RefusedEntryFilter, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> Sequence[RefusedEntry]:
        """Refused entries in order of (time, id), `limit` at most, those after a given pair."""

    async def prune(self, before: datetime) -> None:
        """Delete refused entries from before this time."""


class Blocks(Protocol):
    """Buckets of this node that entries wait for, or that are empty."""

    def short(self) -> Sequence[ShortBucket]:
        """The buckets that hold no whole slot now, the longest queue first."""

    async def lift(self, block_id: UUID) -> None:
        """Fill a bucket. Raises NotFound if it is not short, or is the installation's. Raises Unavailable."""

    async def lift_caller(self, caller: str) -> None:
        """Fill the bucket of a caller's number, in the form in which callers are compared. Raises Unavailable."""
