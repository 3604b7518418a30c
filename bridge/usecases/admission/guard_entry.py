"""The guard of the dialogue: it gives out slots to judge entries, and records refused entries."""

import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import structlog

from bridge.domain.admission import guessing
from bridge.domain.admission.bucket import (
    DAY_S,
    INSTALLATION,
    KNOWN_ENDING,
    SHARED,
    BucketKey,
    BucketKind,
)
from bridge.domain.admission.grant import Grant
from bridge.domain.admission.guessing import Allowance
from bridge.domain.admission.guessing_alarm import GuessingAlarm
from bridge.domain.admission.refusal import Refusal, RefusedEntry
from bridge.domain.admission.regulars import Regulars, Visitor
from bridge.domain.admission.slots import CallSource, ShortBucket, SlotNeeds, Slots
from bridge.domain.admission.wrong_entries import WrongEntries
from bridge.domain.errors import NotFound
from bridge.usecases.admission.judge_entry import EntryJudge

log = structlog.get_logger()

UNSTORED: Final = 10_000
"""The most refused entries that wait in memory while the disk can't store them. Beyond it the oldest are dropped."""
SERVE_S: Final = 0.2


class Guard:
    """All that the node knows of wrong entries. It answers at once, from memory; `keep_guard` stores its changes.

    `unstored` are refused entries that no disk has yet, and `dropped` counts those that were lost for want of space.
    """

    def __init__(
        self,
        node: str,
        allowance: Allowance,
        known_by: Callable[[str], frozenset[str]],
        on_refusal: Callable[[Refusal], None] = lambda _: None,
        on_guessed_pin: Callable[[Grant], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`known_by` returns the sub-accounts that know a number; `clock` returns seconds since 1970.

        `on_guessed_pin` is called once a day with a passcode at whose PIN so many entries were wrong that others wait.
        """
        self.allowance = allowance
        self.slots = Slots(allowance.policies())
        self.regulars = Regulars()
        self.alarm = GuessingAlarm()
        self.unstored: deque[RefusedEntry] = deque()
        self.dropped = 0
        self._wrong = WrongEntries()
        self._secret = secrets.token_bytes(32)
        self._credited: set[str] = set()
        self._told: set[str] = set()
        self._day = 0
        self._served_at = 0.0
        self._node = node
        self._known_by = known_by
        self._on_refusal = on_refusal
        self._on_guessed_pin = on_guessed_pin
        self._clock = clock

    @property
    def now(self) -> float:
        return self._clock()

    def source(self, caller: str, trunk: str, access_number: str, trunk_id: UUID | None = None) -> CallSource:
        """The source of a call, whose caller's number is in the form in which callers are compared."""
        known_by = self._known_by(caller) | self.regulars.known_by(caller, self.now) if caller else frozenset[str]()
        return CallSource(caller, trunk, access_number, known_by, trunk_id)

    def fit(self, worst: float) -> None:
        """Fit the allowance to the chance that one entry opens something, with the codes that there are now."""
        fitted = self.allowance.fitted(worst)
        if fitted != self.allowance:
            self.allowance = fitted
            self.slots.resize(fitted.policies())

    # --- Entries that are to be judged ----------------------------------------------------------------------------
    def judge_passcode(self, source: CallSource, lengths: Mapping[int, int]) -> EntryJudge:
        """A judge of one passcode that is to be keyed. `lengths` are the live codes on the access number, by length."""
        worst = guessing.chance(lengths, max(lengths, default=0))
        needs = SlotNeeds((source.own,), (source.dialled, INSTALLATION), worst)
        known = _known_needs(min(source.known_by), (source.own,), worst) if source.known_by else None
        return EntryJudge(self, source, needs, known, lambda keyed, whole: guessing.chance_of(lengths, keyed, whole))

    def judge_pin(self, source: CallSource, grant: Grant) -> EntryJudge:
        """A judge of the PIN of a right passcode. Callers whom its sub-account knows don't wait for others' guesses."""
        shared, chance = (source.dialled, INSTALLATION), guessing.PIN_ODDS
        if grant.sub_account_id in source.known_by:
            own = BucketKey(BucketKind.PASSCODE, grant.passcode_id + KNOWN_ENDING), source.own
            needs = _known_needs(grant.sub_account_id, own, chance)
        else:
            needs = SlotNeeds((BucketKey(BucketKind.PASSCODE, grant.passcode_id), source.own), shared, chance)
        return EntryJudge(self, source, needs, None, lambda keyed, _: chance if keyed >= guessing.PIN_LEAST else 0.0)

    def was_wrong(self, source: CallSource, about: str, digits: str, *, whole: bool) -> bool:
        """Return True if the same digits were wrong for the same thing within the last day.

        `whole`: it is enough that they were compared as a whole, and not at each length as well.
        """
        return any(self._wrong.has(self._hash(source, about, digits, each), self.now) for each in {False, whole})

    def note_wrong(self, source: CallSource, about: str, digits: str, *, whole: bool) -> None:
        """Remember a wrong entry. `about` is empty for a passcode, and names the passcode for a PIN.

        `whole`: it was compared as a whole alone. That says nothing about its first digits.
        """
        self._wrong.add(self._hash(source, about, digits, whole), self.now)

    def _hash(self, source: CallSource, about: str, digits: str, whole: bool) -> bytes:
        text = f"{source.access_number}|{about}|{digits}|{whole}".encode()
        return hmac.digest(self._secret, text, hashlib.sha256)[:16]

    def serve(self) -> None:
        """Give slots to the entries whose turn it is. Each waiting caller asks for it: it is done once a while."""
        if abs(self.now - self._served_at) >= SERVE_S:
            self._served_at = self.now
            self.slots.serve(self.now)

    def counted(self, source: CallSource, *, wrong: bool) -> None:
        """Count an entry that was judged, for the alarm."""
        for key in (source.dialled, INSTALLATION):
            self.alarm.count(key, self.now, wrong=wrong)

    # --- What came of them ----------------------------------------------------------------------------------------
    def refused(
        self,
        source: CallSource,
        uniqueid: str,
        reason: Refusal,
        grant: Grant | None = None,
        waited_for: BucketKind | None = None,
        chance: float = 0.0,
    ) -> None:
        """Record a refused entry. `grant` is that of a code that was right, `waited_for` the bucket that was short, and
        `chance` the one that a guess like this had."""
        account_id, sub_account_id, passcode_id = _ids(grant) if grant else (None, None, None)
        self.unstored.append(
            RefusedEntry(
                uuid4(),
                datetime.fromtimestamp(self.now, UTC),
                self._node,
                uniqueid,
                source.caller,
                source.access_number,
                source.trunk,
                reason,
                account_id,
                sub_account_id,
                passcode_id,
                source.trunk_id,
                waited_for,
                chance,
            )
        )
        if len(self.unstored) > UNSTORED:
            self.unstored.popleft()
            self.dropped += 1
        self._on_refusal(reason)
        trunk = str(source.trunk_id) if source.trunk_id else source.trunk
        log.info("entry_refused", reason=reason.value, access_number=source.access_number, trunk=trunk)

    def admitted(self, source: CallSource, grant: Grant) -> None:
        """Note that a caller was admitted: it may make a regular, and once a day a passcode it earns credit."""
        now = self.now
        self.regulars.admitted(Visitor(source.caller, grant.sub_account_id), now)
        self._begin_day()
        if source.caller and grant.passcode_id not in self._credited:
            self._credited.add(grant.passcode_id)
            self.slots.credit(source.own, 1.0, now)

    def pin_was_right(self, grant: Grant) -> None:
        """Add to what may be wrong at a passcode's PIN: one for each four that were right."""
        self.slots.credit(BucketKey(BucketKind.PASSCODE, grant.passcode_id), guessing.PIN_CREDIT, self.now)

    def pin_was_wrong(self, grant: Grant) -> None:
        """Tell the owner of a passcode once a day if its PIN is being guessed."""
        self._begin_day()
        keys = (BucketKey(BucketKind.PASSCODE, grant.passcode_id + ending) for ending in ("", KNOWN_ENDING))
        left = min(self.slots.left(key, self.now) for key in keys)
        if left * guessing.PIN_BURST < 1 and grant.passcode_id not in self._told:
            self._told.add(grant.passcode_id)
            self._on_guessed_pin(grant)

    def _begin_day(self) -> None:
        if int(self.now // DAY_S) != self._day:
            self._day, self._credited, self._told = int(self.now // DAY_S), set(), set()

    # --- ports.Blocks, but for the audit ----------------------------------------------------------------------------
    def short(self) -> list[ShortBucket]:
        return self.slots.short(self.now)

    def lot_left(self) -> float:
        """The share that is left of what this node may spend on wrong entries."""
        return self.slots.left(INSTALLATION, self.now)

    def shared_and_short(self) -> set[BucketKey]:
        """The shared buckets that entries wait for."""
        return {key for key in self.slots.waited_for if key.kind in SHARED}

    def lift(self, block_id: UUID) -> BucketKey:
        """Fill the bucket of a key. Raises NotFound if it is not short, or is the installation's."""
        for one in self.short():
            if one.key.id == block_id and one.key != INSTALLATION:
                self.slots.lift(one.key)
                return one.key
        raise NotFound("nobody waits for such a bucket, or it may not be filled by hand")

    def lift_caller(self, caller: str) -> BucketKey:
        """Fill the bucket of a caller's number."""
        key = BucketKey(BucketKind.CALLER, caller)
        self.slots.lift(key)
        return key


def _known_needs(sub_account_id: str, own: tuple[BucketKey, ...], chance: float) -> SlotNeeds:
    """The parts of a slot of a known caller. Each sub-account has a share, which its callers alone can use up."""
    return SlotNeeds(own, (BucketKey(BucketKind.KNOWN, sub_account_id), INSTALLATION), chance, reserved=True)


def _ids(grant: Grant) -> tuple[UUID, UUID, UUID]:
    return UUID(grant.account_id), UUID(grant.sub_account_id), UUID(grant.passcode_id)
