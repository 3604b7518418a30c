"""Wrong API keys: a burst is answered, then one key at a time; each source by itself, in bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from bridge.domain.access.wrong_keys import WrongKey, WrongKeys, source

ADA, GUESSER = "192.0.2.7", "198.51.100.9"
COUNTED = WrongKey()


def test_a_burst_is_answered_then_each_key_waits_until_one_is_forgotten() -> None:
    keys = WrongKeys(burst=3, refill_s=6.0)
    assert [keys.count(GUESSER, 100.0) for _ in range(3)] == [COUNTED] * 3
    assert keys.waits(GUESSER, 100.0)
    assert keys.count(GUESSER, 100.0) == WrongKey(6, begins=True)
    assert keys.count(GUESSER, 101.5) == WrongKey(5)
    assert keys.waits(GUESSER, 105.5)
    assert not keys.waits(GUESSER, 106.0)
    assert keys.count(GUESSER, 106.0) == COUNTED
    assert keys.count(GUESSER, 106.0) == WrongKey(6)


def test_a_burst_begins_again_only_after_all_is_forgotten() -> None:
    keys = WrongKeys(burst=2, refill_s=1.0)
    first = [keys.count(GUESSER, 0.0) for _ in range(4)]
    assert [each.begins for each in first] == [False, False, True, False]
    assert not any(keys.count(GUESSER, now / 4).begins for now in range(4, 400))
    quiet = [keys.count(GUESSER, 200.0) for _ in range(4)]
    assert [each.begins for each in quiet] == [False, False, True, False]


def test_sources_do_not_hurt_each_other() -> None:
    keys = WrongKeys(burst=1)
    for _ in range(5):
        keys.count(GUESSER, 0.0)
    assert not keys.waits(ADA, 0.0)
    assert keys.count(ADA, 0.0) == COUNTED


def test_a_source_is_an_ipv4_address_or_a_64_of_ipv6() -> None:
    assert source("192.0.2.7") == source("::ffff:192.0.2.7") == "192.0.2.7"
    assert source("2001:db8:1:2::1") == source("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert source("2001:db8:1:3::1") != source("2001:db8:1:2::1")
    assert source("fe80::1%eth0") == "fe80::/64"
    assert source("") == ""
    assert source("no address") == "no address"


def test_memory_is_bounded_and_the_worst_are_kept() -> None:
    keys = WrongKeys(burst=5, refill_s=1000.0, most=50)
    for _ in range(9):
        keys.count(GUESSER, 0.0)
    for number in range(500):
        keys.count(f"10.0.{number // 250}.{number % 250}", 1.0)
        assert len(keys) <= 51
    assert keys.waits(GUESSER, 1.0)


@given(st.lists(st.tuples(st.sampled_from([ADA, GUESSER, "2001:db8::1"]), st.floats(0, 30)), max_size=200))
def test_no_source_gets_more_answers_than_its_burst_and_refill(sent: list[tuple[str, float]]) -> None:
    keys, now = WrongKeys(burst=4, refill_s=6.0), 0.0
    answered: dict[str, list[float]] = {}
    for address, later in sent:
        now += later
        waits = keys.waits(address, now)
        answer = keys.count(address, now)
        assert (answer.wait_s > 0) == waits
        assert 0 <= answer.wait_s <= 6
        assert not answer.begins or waits
        if not waits:
            answered.setdefault(address, []).append(now)
    for times in answered.values():
        for first, at in enumerate(times):
            within = [each for each in times[first:] if each <= at + 60]
            assert len(within) <= 4 + 60 / 6.0
