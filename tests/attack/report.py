"""The findings of `make attack`: tables for people, and the figures as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.attack.honest import Kind, Waits
from tests.attack.mornings import Morning
from tests.attack.simulation import Outcome
from tests.bench.measuring import quantile

ROOMS_MOST: Final = 0.1
"""Rooms a month that a strategy may open, expected."""
ALARM_MOST_S: Final = 60.0
HONEST_MOST_S: Final = 1.0
UNKNOWN_MOST_S: Final = 200.0
"""The 99th percentile of the waits of unknown callers on a number that is attacked."""

Value = int | float | str
_HEAD: Final = (
    f"{'strategy':<36}{'wrong a month':>14}{'rooms a month':>14}{'alarm s':>9}{'told s':>8}"
    f"{'known':>14}{'unknown':>14}{'elsewhere':>14}{'kept out':>9}"
)


@dataclass(frozen=True, slots=True)
class Findings:
    """All outcomes by the number of live codes, and mornings by their name."""

    outcomes: Mapping[int, Sequence[Outcome]]
    mornings: Mapping[str, Morning]

    @property
    def every(self) -> Iterable[Outcome]:
        return (each for outcomes in self.outcomes.values() for each in outcomes)


def table(findings: Findings) -> str:
    """Tables of all strategies and mornings."""
    lines = []
    for size, outcomes in findings.outcomes.items():
        lines += [f"{size:,} live codes. Waits of honest callers: median / 99th percentile, seconds", _HEAD]
        lines += [_row(each) for each in outcomes]
        lines.append("")
    lines.append(
        f"{'without an attacker':<52}{'callers':>9}{'waited, most s':>16}{'asked to wait':>15}{'kept out':>10}"
    )
    for name, morning in findings.mornings.items():
        waits = morning.waits
        lines.append(
            f"{name:<52}{len(waits.seconds):>9}{max(waits.seconds):>16.2f}{morning.asked_to_wait:>15}{waits.kept_out:>10}"
        )
    return "\n".join([*lines, "", *(misses(findings) or ["All figures are reached."])])


def _row(outcome: Outcome) -> str:
    waits = "".join(f"{_felt(outcome.waits.get(kind)):>14}" for kind in Kind)
    kept_out = sum(each.kept_out for each in outcome.waits.values())
    return (
        f"{outcome.strategy.name:<36}{outcome.judged_month:>14,.0f}{outcome.rooms_month:>14.6f}"
        f"{_seconds(outcome.alarm_s):>9}{_seconds(outcome.told_s):>8}{waits}{kept_out:>9}"
    )


def _felt(waits: Waits | None) -> str:
    if waits is None or not waits.seconds:
        return "-"
    return f"{quantile(waits.seconds, 0.5):.1f} / {quantile(waits.seconds, 0.99):.1f}"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.0f}"


def misses(findings: Findings) -> list[str]:
    """A sentence for each figure that is not reached."""
    missed = []
    for size, outcomes in findings.outcomes.items():
        for each in outcomes:
            missed += [f"Not reached: {size:,} codes, {each.strategy.name}: {what}" for what in _missed(each)]
    for name, morning in findings.mornings.items():
        longest = max(morning.waits.seconds)
        if longest > HONEST_MOST_S or morning.waits.kept_out:
            missed.append(
                f"Not reached: {name}: somebody waited {longest:.1f} s, and {morning.waits.kept_out} were kept out."
            )
    return missed


def _missed(outcome: Outcome) -> Iterable[str]:
    strategy, waits = outcome.strategy, outcome.waits
    if outcome.rooms_month > ROOMS_MOST:
        yield f"{outcome.rooms_month:.3f} rooms a month."
    if strategy.fast and not strategy.at_pin and (outcome.alarm_s is None or outcome.alarm_s > ALARM_MOST_S):
        yield f"the alarm after {_seconds(outcome.alarm_s)} s."
    if strategy.at_pin and outcome.told_s is None:
        yield "nobody told the passcode's owner."
    elsewhere_s = UNKNOWN_MOST_S if strategy.spread else HONEST_MOST_S
    for kind, most in ((Kind.KNOWN, HONEST_MOST_S), (Kind.ELSEWHERE, elsewhere_s), (Kind.UNKNOWN, UNKNOWN_MOST_S)):
        if kind in waits and waits[kind].seconds and quantile(waits[kind].seconds, 0.99) > most:
            yield f"{kind} callers waited {quantile(waits[kind].seconds, 0.99):.0f} s (99th percentile)."
    kept_out = sum(each.kept_out for each in waits.values())
    if kept_out:
        yield f"{kept_out} honest callers with a right code were kept out."


def figures(findings: Findings) -> dict[str, Value]:
    """The figures for the line of JSON. A figure of all strategies is that of the worst."""
    found: dict[str, Value] = {}
    for size, outcomes in findings.outcomes.items():
        worst = max(outcomes, key=lambda each: each.rooms_month)
        found[f"rooms_month_{size}"] = float(f"{worst.rooms_month:.6g}")
        found[f"worst_strategy_{size}"] = worst.strategy.name
    fast = [each for each in findings.every if each.strategy.fast and not each.strategy.at_pin]
    found["alarm_s"] = max(-1.0 if each.alarm_s is None else round(each.alarm_s, 1) for each in fast)
    found["without_alarm"] = sum(each.alarm_s is None for each in fast)
    at_pin = [each for each in findings.every if each.strategy.at_pin]
    found["pin_rooms_month"] = float(f"{max((each.rooms_month for each in at_pin), default=0.0):.6g}")
    found["pin_owner_not_told"] = sum(each.told_s is None for each in at_pin)
    for name, outcomes in (("attack", _one_number(findings)), ("any_attack", list(findings.every))):
        for kind in Kind:
            seconds = [each.waits[kind].seconds for each in outcomes if each.waits and each.waits[kind].seconds]
            for share in (0.5, 0.99):
                worst_s = max((quantile(each, share) for each in seconds), default=0.0)
                found[f"{name}_{kind}_wait_s_p{share * 100:.0f}"] = round(worst_s, 2)
        found[f"{name}_kept_out"] = sum(waits.kept_out for each in outcomes for waits in each.waits.values())
    for name, morning in findings.mornings.items():
        key = "_".join(name.replace(",", "").replace("'", "").split())
        found[f"{key}_wait_s_max"] = round(max(morning.waits.seconds), 2)
    found["missed"] = len(misses(findings))
    return found


def _one_number(findings: Findings) -> list[Outcome]:
    """The fast attack on one number: the first strategy at each size."""
    return [outcomes[0] for outcomes in findings.outcomes.values()]
