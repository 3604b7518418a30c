"""The real odds that a guess opens a room, with passcodes that were made before the odds were bounded."""

from collections.abc import Sequence
from typing import Final

from bridge.doctor.examination import Result, failed, warned, well
from bridge.domain.provisioning import code_lengths
from bridge.domain.provisioning.code_lengths import CodeLengths
from bridge.usecases.provisioning.ports import CodeSpace
from bridge.usecases.provisioning.rotate_short_passcodes import worst_odds

FULL: Final = "revoke passcodes that are not needed, the longest first, or raise BRIDGE_GUESS_ODDS"
SHORT: Final = (
    "one wrong entry costs a guesser less than BRIDGE_GUESS_ODDS says: `bridge passcode rotate-short` counts the "
    "passcodes that are too short, and gives them new digits"
)


def odds(spaces: Sequence[CodeSpace], lengths: CodeLengths) -> Result:
    """Return the odds of a guess as a result."""
    shared, own = worst_odds(spaces)
    told = f"{code_lengths.in_words(shared)} on shared numbers"
    if any(space.account_id for space in spaces):
        told += f", {code_lengths.in_words(own)} in the worst own code space"
    if full := [space for space in spaces if lengths.next(space.live) is None]:
        return failed("odds", f"{told}; {len(full)} code spaces have no place for another passcode", FULL)
    if max(shared, own) > lengths.guess_odds:
        short = sum(sum(lengths.overfull(space.live).values()) for space in spaces)
        allowed = code_lengths.in_words(lengths.guess_odds)
        return warned("odds", f"{told}, not {allowed} (BRIDGE_GUESS_ODDS): {short} passcodes are too short", SHORT)
    return well("odds", f"one entry opens a room: {told}")
