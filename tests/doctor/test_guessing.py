"""The doctor names the real odds of a guess, and what brings them down."""

from uuid import UUID

from bridge.doctor import guessing
from bridge.doctor.examination import CheckState
from bridge.domain.provisioning import code_lengths
from bridge.usecases.provisioning.ports import CodeSpace

LENGTHS = code_lengths.DEFAULT
OWN = UUID(int=7)


def test_codes_of_this_version_are_well() -> None:
    result = guessing.odds([CodeSpace({9: 16, 10: 100})], LENGTHS)
    assert result.state is CheckState.OK
    assert result.what == "one entry opens a room: 1 in 38,461,538 on shared numbers"
    assert guessing.odds([], LENGTHS).what == "one entry opens a room: none on shared numbers"


def test_short_codes_are_a_warning_that_names_the_command() -> None:
    result = guessing.odds([CodeSpace({6: 100, 9: 16}), CodeSpace({5: 3}, OWN)], LENGTHS)
    assert result.state is CheckState.WARNING
    assert result.what == (
        "1 in 9,998 on shared numbers, 1 in 33,333 in the worst own code space, not 1 in 10,000,000 "
        "(BRIDGE_GUESS_ODDS): 103 passcodes are too short"
    )
    assert "`bridge passcode rotate-short`" in result.mend


def test_a_full_code_space_has_failed() -> None:
    result = guessing.odds([CodeSpace({}), CodeSpace({16: LENGTHS.most(16)}, OWN)], LENGTHS)
    assert result.state is CheckState.FAILED
    assert "1 code spaces have no place for another passcode" in result.what
