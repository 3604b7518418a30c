"""Properties of the fold under faults of the switch and of its journal: no stay is billed too long, and none twice.

A run of some hundred journals each; `make properties` tries over 100,000 in all.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.metering import journal_line
from bridge.domain.metering.fold import Fold
from bridge.domain.metering.journal_line import Fact
from bridge.domain.metering.records import Call, Change, Evidence, Identity, Incident, MinuteRecord, OpenStay, Reason
from tests.domain.metering.folding import fold
from tests.domain.metering.journals import HEART, SECOND, line
from tests.domain.metering.switch_world import RTP_TIMEOUT, Truth, World, world

SEEDS = st.integers(0, 2**48)
CALLS = st.integers(1, 6)
Damage = Callable[[random.Random, list[bytes]], list[bytes]]


def records(changes: Iterable[Change]) -> list[MinuteRecord]:
    """The records that the ledger keeps: of those with one identity, the first."""
    kept: dict[Identity, MinuteRecord] = {}
    for change in changes:
        if isinstance(change, MinuteRecord):
            kept.setdefault(change.stay.identity, change)
    return list(kept.values())


def written(made: World) -> list[bytes]:
    return [text for _, text in made.lines]


def truth_of(truths: Sequence[Truth], record: MinuteRecord) -> Truth:
    [found] = [truth for truth in truths if (truth.uniqueid, truth.bridge) == stay_of(truths, record.stay)]
    return found


def stay_of(truths: Sequence[Truth], stay: OpenStay) -> tuple[str, str]:
    """Return channel and bridge of the true stay: without a bridge in the lines, the channel's join nearest in time."""
    uniqueid, joined = stay.identity.uniqueid, stay.identity.joined_us
    if stay.bridge_id:
        return uniqueid, stay.bridge_id
    own = [truth for truth in truths if truth.uniqueid == uniqueid]
    return uniqueid, min(own, key=lambda truth: abs(truth.wall - joined)).bridge


def assert_no_more_than_true(made: World, found: Sequence[MinuteRecord]) -> None:
    twice = Counter(stay_of(made.truths, record.stay) for record in found)
    assert not [stay for stay, count in twice.items() if count > 1]
    for record in found:
        truth = truth_of(made.truths, record)
        # That a stay ended for want of audio can't be known where nothing is left of its end.
        longest = truth.exit - truth.joined if record.reason is Reason.SWITCH_LOST else truth.duration
        assert 0 <= record.duration_us <= longest


# --- Nothing happens ----------------------------------------------------------------------------------------------
@given(SEEDS, CALLS)
def test_where_nothing_happens_every_stay_is_measured_to_the_microsecond(seed: int, calls: int) -> None:
    made = world(random.Random(seed), calls, quiet=True)
    changes = fold(written(made))
    assert not [change for change in changes if isinstance(change, Incident)]
    for record in records(changes):
        short = truth_of(made.truths, record).duration - record.duration_us
        if record.reason == "media_lost":
            assert (0 <= short <= SECOND, record.evidence) == (True, Evidence.ESTIMATED)
        else:
            assert (short, record.evidence) == (0, Evidence.MEASURED)


# --- The switch has a hard life -----------------------------------------------------------------------------------
@given(SEEDS, CALLS)
def test_through_freezes_steps_and_crashes_nothing_is_lost_or_longer_than_it_was(seed: int, calls: int) -> None:
    made = world(random.Random(seed), calls)
    state = Fold("n", RTP_TIMEOUT)
    changes = fold(written(made), state)
    found = records(changes)
    assert_no_more_than_true(made, found)
    told = {stay_of(made.truths, record.stay) for record in found}
    told |= {stay_of(made.truths, stay) for stay in state.stays}
    assert told == {(truth.uniqueid, truth.bridge) for truth in made.truths}
    for record in found:
        bound = record.error_bound_us + SECOND // 2
        assert made.stepped or record.duration_us + bound >= truth_of(made.truths, record).duration
    calls_told = [change.call.uniqueid for change in changes if isinstance(change, Call)]
    assert len(calls_told) == len(set(calls_told))


@given(SEEDS, CALLS)
def test_a_restart_in_the_middle_changes_nothing(seed: int, calls: int) -> None:
    """A fold that is made again from what was committed goes on as if nothing had been."""
    chance = random.Random(seed)
    lines = written(world(chance, calls))
    assert records(interrupted(chance, lines)) == records(fold(lines))


def interrupted(chance: random.Random, lines: list[bytes]) -> list[Change]:
    cut = chance.randint(0, len(lines))
    first = Fold("n", RTP_TIMEOUT)
    before: list[Change] = []
    free = 0
    for number, written_line in enumerate(lines[:cut], 1):
        before += fold([written_line], first)
        free = number if first.held is None else free
    # What is held back is read once more.
    cut = free
    second = Fold("n", RTP_TIMEOUT, first.switch_state, first.calls, first.stays, tuple(first._ended))
    assert second.switch_state == first.switch_state
    return [*before, *fold(lines[cut:], second)]


# --- The journal has a hard life ----------------------------------------------------------------------------------
def lose(chance: random.Random, lines: list[bytes]) -> list[bytes]:
    """A line or two vanish, or all of some seconds."""
    at = chance.randrange(len(lines))
    end = at + chance.choice((1, 1, 1, 2))
    if chance.random() < 0.2:
        beats = [place for place in range(at, len(lines)) if b'"ALIVE"' in lines[place]]
        end = beats[2] + 1 if len(beats) > 2 else len(lines)
    return lines[:at] + lines[end:]


def fill(chance: random.Random, lines: list[bytes]) -> list[bytes]:
    """The disk is full to the last byte for some seconds: of the line that did not fit, the beginning is left."""
    at = chance.randrange(len(lines))
    beats = [place for place in range(at, len(lines)) if b'"ALIVE"' in lines[place]]
    end = beats[min(len(beats) - 1, chance.randint(2, 60))] if beats else len(lines)
    return [*lines[:at], lines[at][: chance.randint(0, len(lines[at]))], *lines[max(at + 1, end) :]]


def cut_off(chance: random.Random, lines: list[bytes]) -> list[bytes]:
    return lines[: chance.randrange(len(lines))]


def tear(chance: random.Random, lines: list[bytes]) -> list[bytes]:
    at = chance.randrange(len(lines))
    return [*lines[:at], lines[at][: chance.randint(0, len(lines[at]))], *lines[at + 1 :]]


def glue(chance: random.Random, lines: list[bytes]) -> list[bytes]:
    """A line without its end, and the next right behind it."""
    at = chance.randrange(len(lines))
    torn = lines[at][: chance.randint(0, len(lines[at]))]
    return [*lines[:at], torn + b"".join(lines[at + 1 : at + 2]), *lines[at + 2 :]]


def spoil(chance: random.Random, lines: list[bytes]) -> list[bytes]:
    """Some bytes of a line become others."""
    at = chance.randrange(len(lines))
    found = bytearray(lines[at] or b"{")
    for _ in range(chance.randint(1, 30)):
        found[chance.randrange(len(found))] = chance.choice((0, 0, 0xFF, 0x5C, 0x22, chance.randrange(256)))
    return [*lines[:at], *bytes(found).split(b"\n"), *lines[at + 1 :]]


def litter(chance: random.Random, lines: list[bytes]) -> list[bytes]:
    at = chance.randrange(len(lines))
    rubbish = chance.choice(
        (b"", b"\0" * 700, b"\xff\xfe", b"{}", b"null", chance.randbytes(60).replace(b"\n", b""), b"x" * 100_000)
    )
    return [*lines[:at], rubbish, *lines[at:]]


def attack(chance: random.Random, lines: list[bytes]) -> list[bytes]:
    """A caller whose names hold whatever they like: CHAN_START is written before anything is cleaned."""
    at = chance.randrange(len(lines))
    inside = chance.choice(lines).replace(b'"', b'\\"')
    evil = chance.choice((b"44\\", b"44\n9", inside, b"\xff\xff", b"\n" + inside + b"\n", b"9" * 2000))
    start = line("CHAN_START", 1_795_435_399 * SECOND, "n-99.1", num="EVIL").replace(b"EVIL", evil)[:1023]
    return [*lines[:at], *start.split(b"\n"), *lines[at:]]


def read_again(chance: random.Random, lines: list[bytes]) -> list[bytes]:
    """An older copy comes back: some of what was read is read again."""
    at = chance.randint(0, len(lines))
    return lines[:at] + lines[chance.randint(0, at) :]


def repeat(chance: random.Random, lines: list[bytes]) -> list[bytes]:
    at = chance.randrange(len(lines))
    return lines[: at + 1] * chance.choice((1, 1, 2)) + lines[at - chance.randint(0, min(at, 60)) :]


DAMAGES: dict[str, Damage] = {
    damage.__name__: damage for damage in (lose, fill, cut_off, tear, glue, spoil, litter, attack, read_again, repeat)
}


def damaged(chance: random.Random, lines: list[bytes]) -> list[bytes]:
    """Up to three damages. Lines that vanish without a trace do so alone: no other damage must be taken for theirs."""
    some = [damage for damage in DAMAGES.values() if damage is not lose]
    kinds = some if chance.random() < 0.8 else [lose]
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        if lines:
            lines = chance.choice(kinds)(chance, lines)
    return lines


@given(SEEDS, CALLS)
def test_whatever_befalls_a_journal_no_bill_gets_longer(seed: int, calls: int) -> None:
    chance = random.Random(seed)
    made = world(chance, calls)
    found = records(interrupted(chance, damaged(chance, written(made))))
    assert_no_more_than_true(made, found)


@pytest.mark.parametrize("damage", [tear, glue, litter, attack], ids=lambda damage: damage.__name__)
@given(seed=SEEDS, calls=CALLS)
def test_a_line_that_is_spoilt_makes_no_stay_free(damage: Damage, seed: int, calls: int) -> None:
    """The lines around it bound what it hid, to two seconds."""
    chance = random.Random(seed)
    made = world(chance, calls, quiet=True)
    whole = records(fold(written(made)))
    state = Fold("n", RTP_TIMEOUT)
    spoilt = records(fold(damage(chance, written(made)), state))
    found = {stay_of(made.truths, record.stay): record.duration_us for record in spoilt}
    over = [(stay, stay.left_us) for stay in state.stays if stay.left_us]
    found |= {stay_of(made.truths, stay): left - stay.identity.joined_us for stay, left in over}
    for record in whole:
        assert found[stay_of(made.truths, record.stay)] >= record.duration_us - 2 * SECOND


@given(SEEDS, CALLS)
def test_a_torn_join_is_never_free_although_a_full_disk_took_its_whole_end(seed: int, calls: int) -> None:
    """The daemon's word ends it, or the switch's death."""
    chance = random.Random(seed)
    made = world(chance, calls, quiet=True)
    joins = {whose: place for place, (whose, text) in enumerate(made.lines) if b'"BRIDGE_ENTER"' in text}
    if not joins:
        return
    place = chance.choice(list(joins.values()))
    channel, text = made.lines[place]
    torn = text[: text.index(b'"linkedid"') + chance.randint(0, 60)]
    own = [at for at, (whose, _) in enumerate(made.lines) if whose == channel and at > place]
    beats = [at for at, (_, found) in enumerate(made.lines) if b'"ALIVE"' in found and at > max(own, default=place)]
    full = chance.randint(place + 1, min(own, default=place + 1))
    free = beats[2] + 1 if len(beats) > 2 else len(made.lines)
    lines = [*written(made)[:place], torn, *written(made)[place + 1 : full], *written(made)[free:]]
    if chance.random() < 0.5:
        lines = [found for found in lines if b'"ABSENT"' not in found]
    end = line("BOOT", made.end, "n-9.0", {"extra": "n-9.0:2"}, channame=HEART)
    found = records(interrupted(chance, [*lines, end]))
    assert_no_more_than_true(made, found)
    [joined] = [truth for truth in made.truths if (truth.uniqueid, truth.wall) == (channel, _time(text))]
    assert (channel, joined.bridge) in {stay_of(made.truths, record.stay) for record in found}


def _time(text: bytes) -> int:
    fact = journal_line.parse(text)
    assert isinstance(fact, Fact)
    return fact.at


@given(SEEDS, CALLS)
def test_lines_of_different_channels_may_come_in_any_order(seed: int, calls: int) -> None:
    """Channels one after the other, each whole, make the records that the mixture makes."""
    chance = random.Random(seed)
    made = world(chance, calls, quiet=True)
    channels: dict[str, list[bytes]] = {}
    for channel, text in made.lines:
        channels.setdefault(channel, []).append(text)
    channels.pop("word", None)  # the daemon says so of what it has read
    order = list(channels)
    chance.shuffle(order)
    mixed = records(fold(text for channel in order for text in channels[channel]))
    straight = {record.stay.identity: record for record in records(fold(written(made)))}
    assert {record.stay.identity for record in mixed} == set(straight)
    for record in mixed:
        assert record.duration_us <= straight[record.stay.identity].duration_us


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_no_bytes_whatever_stop_the_fold(lines: list[bytes]) -> None:
    assert records(fold(lines)) == []
