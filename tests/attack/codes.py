"""The live codes of a simulated installation: how many of each length, and the few that callers of the simulation know.

All other codes are only counted. They can be anything, so a guess of L digits is one of them with the chance
(codes of L digits) / 10^L.
"""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final
from uuid import UUID

from bridge.domain.admission.grant import Barred, DialledNumber, Grant, RoomOwner
from bridge.domain.admission.numbering import IncomingTrunk, Numbering
from bridge.domain.provisioning import code_lengths
from bridge.domain.provisioning.code_lengths import LiveCodes
from bridge.domain.provisioning.passcode import Role
from tests.attack.openings import Openings

NUMBER, SECOND_NUMBER, OTHER_NUMBER = "18005550100", "18005550101", "18005550102"
"""Access numbers of the same codes. The first is attacked, sometimes the second too, and the last never."""
SIZES: Final = (1_000, 100_000, 1_000_000)
CODES_OF_BEFORE: Final = {7: 10, 8: 90, 9: 900}
"""A thousand codes as versions of before made them: each length was used until one in ten of a million was taken."""
PIN_DIGITS: Final = 6


def lengths_by_odds(codes: int) -> LiveCodes:
    """The numbers of live codes by length, where codes were made one after the other under the default odds.

    >>> lengths_by_odds(1_000)
    Counter({11: 818, 10: 166, 9: 16})
    """
    return Counter(code_lengths.DEFAULT.of_new({}, codes))


def uuid(number: int) -> str:
    return str(UUID(int=number))


@dataclass
class Codes:
    """Implements admission_ports.Directory. `by_length` are all live codes, and `known` those that somebody keys.

    `knowing` are the sub-accounts that know a caller's number.
    """

    by_length: Mapping[int, int]
    openings: Openings
    random: random.Random
    known: dict[str, Grant] = field(default_factory=dict)
    pins: dict[str, str] = field(default_factory=dict)
    knowing: dict[str, frozenset[str]] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    """Sub-accounts of the attacker, whose rooms are no gain."""

    def __post_init__(self) -> None:
        self._numbers = {each: DialledNumber(each) for each in (NUMBER, SECOND_NUMBER, OTHER_NUMBER)}
        self._ids = count(1)
        self._trunk = IncomingTrunk("", "", Numbering())

    @property
    def longest_code(self) -> int:
        return max(self.by_length)

    def digits(self, length: int | None = None) -> str:
        """Random digits, as long as the longest code."""
        length = length or self.longest_code
        return f"{self.random.randrange(10**length):0{length}}"

    def make(self, sub_account_id: str, pin: str | None = None) -> str:
        """Make a code of the sub-account that somebody is going to key. Return its digits."""
        lengths, weights = zip(*self.by_length.items(), strict=True)
        digits = self.digits(self.random.choices(lengths, weights)[0])
        passcode_id = uuid(next(self._ids))
        pin_digest = pin.encode() if pin else None
        self.known[digits] = Grant(
            passcode_id, uuid(1), sub_account_id, f"r-{sub_account_id}", Role.HOST, pin=pin_digest
        )
        if pin:
            self.pins[passcode_id] = pin
        return digits

    # --- Directory ------------------------------------------------------------------------------------------------
    def trunk(self, trunk_id: str) -> IncomingTrunk:
        return self._trunk

    def number(self, dialled: str) -> DialledNumber | None:
        return self._numbers.get(dialled)

    def find(self, digits: str, number: DialledNumber) -> Grant | Barred | None:
        found = self.known.get(digits)
        self.openings.looked_up(digits, self.by_length.get(len(digits), 0) / 10 ** len(digits), found is not None)
        return found

    async def confirm(self, digits: str, number: DialledNumber) -> Grant | Barred | None:
        return None

    def lengths(self, number: DialledNumber) -> Mapping[int, int]:
        return self.by_length

    def pin_matches(self, grant: Grant, digits: str) -> bool:
        right = self.pins.get(grant.passcode_id) == digits
        chance = 10.0**-PIN_DIGITS if len(digits) == PIN_DIGITS and grant.sub_account_id not in self.own else 0.0
        self.openings.looked_up(f"{grant.passcode_id} {digits}", chance, right)
        return right

    def trusted(self, caller: str, number: DialledNumber) -> Grant | None:
        return None

    def known_by(self, caller: str) -> frozenset[str]:
        return self.knowing.get(caller, frozenset())

    def owner(self, room_id: str) -> RoomOwner | None:
        return RoomOwner(uuid(1), room_id.removeprefix("r-"))

    async def take_use(self, grant: Grant, uniqueid: str) -> bool:
        return True
