"""A directory of passcodes in memory. tests/contracts/admission holds it to what the real one does."""

from collections import Counter
from dataclasses import dataclass, field

from bridge.domain.admission.grant import Barred, DialledNumber, Grant, RoomOwner
from bridge.domain.admission.numbering import IncomingTrunk, Numbering
from bridge.domain.provisioning.code_lengths import LiveCodes


@dataclass
class FakeDirectory:
    """Implements admission_ports.Directory. `in_postgres` are codes that only `confirm` finds.

    `trusting` are callers' numbers that open a room by themselves, `known` the sub-accounts that know a number; `used`
    are pairs of passcode and call.
    """

    codes: dict[str, Grant | Barred] = field(default_factory=dict)
    in_postgres: dict[str, Grant | Barred] = field(default_factory=dict)
    numbers: dict[str, DialledNumber] = field(default_factory=dict)
    trusting: dict[str, Grant] = field(default_factory=dict)
    known: dict[str, frozenset[str]] = field(default_factory=dict)
    owners: dict[str, RoomOwner] = field(default_factory=dict)
    used: set[tuple[str, str]] = field(default_factory=set)
    trunks: dict[str, IncomingTrunk] = field(default_factory=dict)

    def trunk(self, trunk_id: str) -> IncomingTrunk:
        return self.trunks.get(trunk_id) or IncomingTrunk(trunk_id, "", Numbering())

    def number(self, dialled: str) -> DialledNumber | None:
        return self.numbers.get(dialled)

    def find(self, digits: str, number: DialledNumber) -> Grant | Barred | None:
        return self.codes.get(digits)

    async def confirm(self, digits: str, number: DialledNumber) -> Grant | Barred | None:
        return self.in_postgres.get(digits)

    def lengths(self, number: DialledNumber) -> LiveCodes:
        return Counter(map(len, self.codes))

    def pin_matches(self, entry: Grant, digits: str) -> bool:
        return entry.pin == digits.encode()

    def trusted(self, caller: str, number: DialledNumber) -> Grant | None:
        return self.trusting.get(caller)

    def known_by(self, caller: str) -> frozenset[str]:
        return self.known.get(caller, frozenset())

    def owner(self, room_id: str) -> RoomOwner | None:
        return self.owners.get(room_id)

    async def take_use(self, entry: Grant, uniqueid: str) -> bool:
        if entry.uses_left is None or (entry.passcode_id, uniqueid) in self.used:
            return True
        if sum(passcode_id == entry.passcode_id for passcode_id, _ in self.used) >= entry.uses_left:
            return False
        self.used.add((entry.passcode_id, uniqueid))
        return True
