"""Imports the passcodes of another bridge: of any length that callers can key, weak ones too. The operator alone may.

Imported codes are outside the lengths that bound the odds of a guess. So an import reports what it does to the odds.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final
from uuid import UUID

from bridge.domain.errors import Conflict, Invalid, InvalidRows
from bridge.domain.provisioning import code_lengths, passcode
from bridge.domain.provisioning.code_lengths import CodeLengths, LiveCodes
from bridge.domain.provisioning.tenants import Passcode
from bridge.usecases.provisioning import issue_codes, pacing, provision_passcodes
from bridge.usecases.provisioning.issue_codes import WantedCode
from bridge.usecases.provisioning.ports import Beginnings, CodeTaken, Keys, NewCode, Passcodes

_TRIES: Final = 5
_IN_THE_WAY: Final = "a live passcode is the same, begins with this one or is its beginning: rotate that one first"


@dataclass(frozen=True, slots=True)
class ImportedPasscodes:
    """The passcodes of an import, and the live codes of their code space before and after it."""

    passcodes: list[Passcode]
    lengths: CodeLengths
    before: LiveCodes
    after: LiveCodes

    @property
    def odds(self) -> tuple[Fraction, Fraction]:
        """The odds that one entry opens anything, before and after."""
        return code_lengths.odds(self.before), code_lengths.odds(self.after)

    @property
    def warnings(self) -> Iterator[str]:
        """The sentences that an operator has to know about these passcodes."""
        before, after = self.odds
        if after > self.lengths.guess_odds:
            was, now, most = map(code_lengths.in_words, (before, after, self.lengths.guess_odds))
            yield (
                f"one entry of random digits now opens a room with odds of {now} (before: {was}; BRIDGE_GUESS_ODDS: "
                f"{most}), until `bridge passcode rotate-short` gives these passcodes new digits"
            )
        length = self.lengths.next(self.after)
        if length is None:
            yield "no further passcode can be made, because the longest ones leave no place: revoke those"
        elif length != self.lengths.next(self.before):
            yield f"passcodes that are made from now on have {length} digits or more"


async def import_passcodes(
    passcodes: Passcodes, keys: Keys, room_id: UUID, wanted: Sequence[WantedCode]
) -> ImportedPasscodes:
    """Store the passcodes of a room under the digits that they have, all or none. Raises InvalidRows, NotFound,
    Conflict."""
    wanted = await provision_passcodes.checked(wanted)
    bad = []
    for place, one in enumerate(wanted):
        try:
            passcode.imported(one.digits or "")
        except Invalid as error:
            bad.append((place, error.field, error.reason))
    if bad:
        raise InvalidRows(bad)
    for _ in range(_TRIES):
        site = await passcodes.code_site(room_id)
        codes = await issue_codes.imported(keys, site.space, wanted)
        try:
            before, made = await passcodes.import_passcodes(site, codes, _beginnings(keys, codes))
        except CodeTaken as clash:
            if clash.taken:
                raise InvalidRows([(place, "digits", _IN_THE_WAY) for place in sorted(clash.taken)]) from clash
            continue
        after = Counter(before.live) + Counter(code.length for code in codes)
        return ImportedPasscodes(made, before.lengths, before.live, after)
    raise Conflict("other passcodes were created or imported meanwhile: import these again")


def _beginnings(keys: Keys, codes: Sequence[NewCode]) -> Beginnings:
    """Digests don't show what a code begins with, so longer live codes are unsealed to be compared."""
    places = {code.digits: place for place, code in enumerate(codes)}
    lengths = sorted({code.length for code in codes})

    async def found(sealed: Sequence[bytes]) -> frozenset[int]:
        taken = set()
        async for each in pacing.with_pauses(sealed):
            digits = keys.unseal(each)
            taken |= {places[digits[:length]] for length in lengths if digits[:length] in places}
        return frozenset(taken)

    return found
