"""The findings of one run or several: a table for people, the figures as JSON, and the page that is kept in docs/."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final

from tests.faults.auditor import Verdict, Violation
from tests.faults.nemesis import Trouble

Value = int | float | str


class Over(Enum):
    """Ways to combine a figure of several runs into one."""

    SUM = "sum"
    MOST = "most"
    FARTHEST = "farthest from 0"
    AMOUNT = "amount"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the report: its label, its required value (empty: none), and how several runs are combined."""

    label: str
    wanted: str = ""
    over: Over = Over.SUM


@dataclass(frozen=True, slots=True)
class Run:
    """One run that came to its end: its seed, the options that repeat it, and the findings."""

    seed: int
    repeat: str
    verdict: Verdict
    troubles: Sequence[Trouble]


FIGURES: Final[Mapping[str, Figure]] = {
    "calls": Figure("calls placed"),
    "joins": Figure("joins"),
    "records": Figure("minute records"),
    "faults": Figure("faults"),
    "lost": Figure("stays lost: joined, the line whole in the journal, and no record", "0"),
    "duplicated": Figure("stays billed twice", "0"),
    "invented": Figure("records of stays that never were", "0"),
    "overcharged": Figure("stays charged beyond the caller's own digit and BYE (or the kill) by over 250 ms", "0"),
    "excess_ms_max": Figure("the most by which a record exceeds the caller's own stay, ms", "≤ 250", Over.MOST),
    "measured_stays": Figure("stays in which the switch lived, was awake and could write"),
    "error_ms_p50": Figure("their end against the caller's BYE, ms, median", "", Over.MOST),
    "error_ms_p99": Figure("the same, 99th percentile", "≤ 50, of 500 or more", Over.MOST),
    "error_ms_max": Figure("the same, worst", "≤ 1000", Over.MOST),
    "killed_stays": Figure("stays that a kill of Asterisk ended"),
    "undercharge_ms_max": Figure("the most that such a kill cost of a stay, ms", "≤ 1000", Over.MOST),
    "killed_in_doubt": Figure(
        "stays that a kill ended before anybody could know who had left in a long freeze or a hole of the journal"
    ),
    "doubted_undercharge_ms_max": Figure("the most that this cost of such a stay, ms", "", Over.MOST),
    "ended_while_frozen": Figure("stays whose caller hung up while Asterisk was frozen"),
    "frozen_undercharge_ms_max": Figure("the most that a freeze cost of such a stay, ms", "", Over.MOST),
    "dropped": Figure("talking callers dropped by faults of the daemon, Postgres, links or journal", "0"),
    "ghosts": Figure("callers who vanished without BYE"),
    "ghost_error_ms": Figure("their end against their last audio, ms, worst", "-2000 to +250", Over.FARTHEST),
    "calls_lost": Figure("calls without a row", "0"),
    "calls_twice": Figure("calls with more than one row", "0"),
    "left_open": Figure("open stays and calls after the last caller had gone", "0"),
    "kept_out_without_a_fault": Figure("callers with a right code kept out, no fault near", "0"),
    "kept_out_by_faults": Figure("callers whose dialogue a fault struck, and who did not get in"),
    "torn_joins": Figure("joins whose line was torn"),
    "free_by_torn_lines": Figure("of these, calls without any record", "0"),
    "joins_on_a_full_disk": Figure("joins whose line found no room on the disk"),
    "admission_ms_p50": Figure("completing digit to join, ms, median, faults included", "", Over.MOST),
    "admission_ms_p99": Figure("the same, 99th percentile", "", Over.MOST),
    "charges": Figure("sum of charges", "= lines", Over.AMOUNT),
    "lines": Figure("sum of the statements' lines", "= total", Over.AMOUNT),
    "total": Figure("total of the statements", "", Over.AMOUNT),
    "crashes": Figure("processes that died by themselves", "0"),
}
# `violations` is counted by the auditor, and stands in the JSON and in the text beside the tables.
_COMBINED: Final = {name: figure.over for name, figure in FIGURES.items()} | dict.fromkeys(
    ("answered", "violations"), Over.SUM
)


def combined(runs: Sequence[Run]) -> dict[str, Value]:
    """The figures of all runs: counts and amounts are added, of times the worst run's is taken."""
    if not runs:
        return {}
    return {
        name: _combined([run.verdict.figures[name] for run in runs], over)
        for name, over in _COMBINED.items()
        if all(name in run.verdict.figures for run in runs)
    }


def figures(runs: Sequence[Run], seeds: Sequence[int], failed: Mapping[int, str]) -> dict[str, object]:
    """The last line of standard output: the figures of one run; of several, those of all and of each.

    `failed` maps the seed of a run that did not come to its end to its error.
    """
    if len(seeds) == 1 and runs:
        return {**runs[0].verdict.figures, "seed": seeds[0]}
    each = [{**run.verdict.figures, "seed": run.seed} for run in runs]
    return {**combined(runs), "seeds": list(seeds), "failed_seeds": list(failed), "runs": each}


def _combined(values: Sequence[Value], over: Over) -> Value:
    match over:
        case Over.SUM:
            return sum(int(value) for value in values)
        case Over.MOST:
            return max(float(value) for value in values)
        case Over.FARTHEST:
            return max((float(value) for value in values), key=abs)
        case Over.AMOUNT:
            return str(sum((Decimal(str(value)) for value in values), Decimal(0)))


def table(runs: Sequence[Run]) -> str:
    """The figures with what is wanted of them, for a terminal; of several runs, a column each and one for all."""
    heads = [*_columns(runs), "wanted"]
    width = max(len(figure.label) for figure in FIGURES.values())
    lines = [f"  {'':{width}} " + " ".join(f"{head:>12}" for head in heads[:-1]) + f"  {heads[-1]}"]
    for figure, values in _rows(runs):
        cells = " ".join(f"{value!s:>12}" for value in values)
        lines.append(f"  {figure.label:{width}} {cells}  {figure.wanted}".rstrip())
    return "\n".join(lines)


def _columns(runs: Sequence[Run]) -> list[str]:
    seeds = [f"seed {run.seed}" for run in runs]
    return seeds if len(runs) == 1 else [*seeds, "all"]


def _rows(runs: Sequence[Run]) -> Iterable[tuple[Figure, list[Value]]]:
    every = combined(runs)
    for name, figure in FIGURES.items():
        if name in every:
            values = [run.verdict.figures[name] for run in runs]
            yield figure, values if len(runs) == 1 else [*values, every[name]]


def complaints(violations: Sequence[Violation], most: int = 60) -> str:
    """The violations, the first of each promise first."""
    ranks: Counter[str] = Counter()
    ranked = []
    for violation in violations:
        ranked.append((ranks[violation.promise], violation))
        ranks[violation.promise] += 1
    ranked.sort(key=lambda pair: pair[0])
    return "\n".join(
        f"  VIOLATED {violation.promise}: {violation.uniqueid} {violation.about}" for _, violation in ranked[:most]
    )


def page(runs: Sequence[Run], about: Mapping[str, Value]) -> str:
    """The text of docs/faults.md. `about` describes the machine and what all runs have in common."""
    columns = _columns(runs)
    figures = "\n".join(
        f"| {figure.label} | {' | '.join(map(str, values))} | {figure.wanted} |" for figure, values in _rows(runs)
    )
    kinds = sorted({trouble.kind.value for run in runs for trouble in run.troubles})
    counts = [Counter(trouble.kind.value for trouble in run.troubles) for run in runs]
    faults = "\n".join(f"| {kind} | {' | '.join(map(str, _with_sum([c[kind] for c in counts])))} |" for kind in kinds)
    count = sum(len(run.verdict.violations) for run in runs)
    held = "Every promise held." if count == 0 else f"{count} violation{'s' * (count > 1)}."
    what = "a run" if len(runs) == 1 else f"{len(runs)} runs"
    again = "\n".join(f'make faults ARGS="{run.repeat}"' for run in runs)
    several = "" if len(runs) == 1 else "The column of all runs adds counts, and takes times from the worst run.\n\n"
    return f"""# Faults: what {what} of `make faults` found

*For those who want evidence: operators, auditors, developers.*

Real Asterisk, real Postgres, real SIP callers, and a nemesis that kills, freezes and cuts the parts and tears the
journal at random moments. Afterwards the callers' own logs, an undamaged twin of the journal and the ledger are
compared with each other. {held}

A caller sees the completing digit and the BYE, not the instant of the join: so a stay may be billed from the switch's
join, never from before the digit, and its end is compared with the caller's own BYE or with the kill of Asterisk.

| run | |
|---|---|
{chr(10).join(f"| {name} | {value} |" for name, value in about.items())}

{several}| figure | {" | ".join(columns)} | wanted |
|---{"|---" * len(columns)}|---|
{figures}

| fault | {" | ".join(columns)} |
|---{"|---" * len(columns)}|
{faults}

The same plans again:

```
{again}
```
"""


def _with_sum(counts: Sequence[int]) -> list[int]:
    return [*counts] if len(counts) == 1 else [*counts, sum(counts)]
