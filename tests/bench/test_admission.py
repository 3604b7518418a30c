"""The bench of admission judges fairly: who takes turns, which calls count, and what the table says."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from tests.bench import admission, fastagi
from tests.bench.admission import ORDERS, PRODUCT, Parts, Results, Side, Watch

SIDES = [Side("fastagi", "Read() + FastAGI", "7001"), Side(PRODUCT, PRODUCT, "1800")]


def keyed(watch: Watch, caller: str, digits: str, at: float = 1.0) -> None:
    for digit in digits:
        event = SimpleNamespace(event="DTMFEnd", calleridnum=caller, uniqueid=f"u{caller}", digit=digit, timestamp=at)
        watch.on_event(None, event)


def joined(watch: Watch, caller: str, at: float) -> None:
    watch.on_event(None, SimpleNamespace(event="ConfbridgeJoin", uniqueid=f"u{caller}", timestamp=at))


def test_every_side_stands_at_every_place_and_comes_once_after_every_other() -> None:
    sides = range(len(ORDERS))
    assert all(sorted(order) == [*sides] for order in (*ORDERS, *zip(*ORDERS, strict=True)))
    after = [pair for order in ORDERS for pair in pairwise(order)]
    assert len(set(after)) == len(after) == len(sides) * (len(sides) - 1)


def test_a_call_counts_if_its_digits_arrived_as_they_were_sent() -> None:
    watch = Watch(4)
    for caller, digits in (("1", "1234"), ("2", "11234"), ("3", "1234"), ("4", "12")):
        keyed(watch, caller, digits)
    joined(watch, "1", 1.002)
    joined(watch, "2", 1.5)
    codes = dict.fromkeys("12345", "1234")
    assert watch.latencies_ms(codes) == pytest.approx([2.0])
    assert watch.garbled(codes) == ["2", "4", "5"]
    assert watch.outside(codes) == ["3"]


def test_a_number_in_its_canonical_form_is_the_same_caller() -> None:
    watch = Watch(4)
    keyed(watch, "+4930", "1234")
    joined(watch, "+4930", 1.002)
    assert watch.latencies_ms({"4930": "1234"}) == pytest.approx([2.0])


def test_the_table_has_the_ratio_and_whether_it_is_reached() -> None:
    results = Results(Parts(0.0, 0.0, 0.0, 0.0))
    for side, ms in zip(SIDES, (4.0, 2.0), strict=True):
        results.add(side, 40, [ms], 1, Parts(0.001, 0.002, 0.003, 0.004))
    figures = results.figures(SIDES, [40])
    assert figures["ratio_to_fastagi_p50_40"] == 0.5
    assert figures["daemon_cpu_ms_per_call"] == 2.0
    assert figures["fastagi_calls_left_out"] == 0
    table = admission.table(figures | {"calls_of_each_side": 1, "daemon_resident_mb": 50.0}, SIDES, [40])
    assert "0.50 0.50   wanted: p50 at most 0.55: reached" in table


def test_fastagi_reads_the_digits_that_asterisk_passes() -> None:
    assert fastagi.argument(b"agi_network: yes\nagi_arg_1: 123456\n\n") == "123456"
    assert fastagi.argument(b"agi_network: yes\n\n") == ""
