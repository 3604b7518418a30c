"""What a run found: a table for people, and the page that is kept in docs/."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from tests.faults.auditor import Verdict, Violation
from tests.faults.nemesis import Trouble

FIGURES: Final[Mapping[str, tuple[str, str]]] = {
    "calls": ("calls placed", ""),
    "joins": ("joins", ""),
    "records": ("minute records", ""),
    "faults": ("faults", ""),
    "lost": ("stays lost: joined, the line whole in the journal, and no record", "0"),
    "duplicated": ("stays billed twice", "0"),
    "invented": ("records of stays that never were", "0"),
    "overcharged": ("stays charged beyond the caller's own digit and BYE (or the kill) by over 250 ms", "0"),
    "excess_ms_max": ("the most by which a record exceeds the caller's own stay, ms", "≤ 250"),
    "measured_stays": ("stays in which the switch lived, was awake and could write", ""),
    "error_ms_p50": ("their end against the caller's BYE, ms, median", ""),
    "error_ms_p99": ("the same, 99th percentile", "≤ 50, of 500 or more"),
    "error_ms_max": ("the same, worst", "≤ 1000"),
    "killed_stays": ("stays that a kill of Asterisk ended", ""),
    "undercharge_ms_max": ("the most that such a kill cost of a stay, ms", "≤ 1000"),
    "killed_in_doubt": (
        "stays that a kill ended before anybody could know who had left in a long freeze or a hole of the journal",
        "",
    ),
    "doubted_undercharge_ms_max": ("the most that this cost of such a stay, ms", ""),
    "ended_while_frozen": ("stays whose caller hung up while Asterisk was frozen", ""),
    "frozen_undercharge_ms_max": ("the most that a freeze cost of such a stay, ms", ""),
    "dropped": ("talking callers dropped by faults of the daemon, Postgres, links or journal", "0"),
    "ghosts": ("callers who vanished without BYE", ""),
    "ghost_error_ms": ("their end against their last audio, ms, worst", "-2000 to +250"),
    "calls_lost": ("calls without a row", "0"),
    "left_open": ("open stays and calls after the last caller had gone", "0"),
    "kept_out_without_a_fault": ("callers with a right code kept out, no fault near", "0"),
    "kept_out_by_faults": ("callers whose dialogue a fault struck, and who did not get in", ""),
    "torn_joins": ("joins whose line was torn", ""),
    "free_by_torn_lines": ("of these, calls without any record", "0"),
    "joins_on_a_full_disk": ("joins whose line found no room on the disk", ""),
    "admission_ms_p50": ("completing digit to join, ms, median, faults included", ""),
    "admission_ms_p99": ("the same, 99th percentile", ""),
    "charges": ("sum of charges", "= lines"),
    "lines": ("sum of the statements' lines", "= total"),
    "total": ("total of the statements", ""),
    "crashes": ("processes that died by themselves", "0"),
}


def table(verdict: Verdict) -> str:
    """The figures with what they should be, for a terminal."""
    width = max(len(what) for what, _ in FIGURES.values())
    rows = [
        f"  {what:{width}} {verdict.figures.get(name, '-')!s:>12}  {wanted}"
        for name, (what, wanted) in FIGURES.items()
        if name in verdict.figures
    ]
    return "\n".join(rows)


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


def page(verdict: Verdict, troubles: Sequence[Trouble], about: Mapping[str, str | int | float]) -> str:
    """docs/faults.md."""
    kinds = Counter(trouble.kind.value for trouble in troubles)
    rows = "\n".join(
        f"| {what} | {verdict.figures[name]} | {wanted} |"
        for name, (what, wanted) in FIGURES.items()
        if name in verdict.figures
    )
    again = f"--seed {about['seed']} --seconds {about['seconds']} --rate {about['callers a second']}"
    again += f" --pace {about['faults as against usual']}"
    held = "Every promise held." if not verdict.violations else f"{len(verdict.violations)} violations."
    return f"""# Faults: what a run of `make faults` found

*For those who want evidence: operators, auditors, developers.*

Real Asterisk, real Postgres, real SIP callers, and a nemesis that kills, freezes and cuts the parts and tears the
journal at random moments. Afterwards the callers' own logs, an undamaged twin of the journal and the ledger are held
against each other. {held}

A caller sees the completing digit and the BYE, not the instant of the join: so a stay may be billed from the switch's
join, never from before the digit, and its end is compared with the caller's own BYE or with the kill of Asterisk.

| run | |
|---|---|
{chr(10).join(f"| {name} | {value} |" for name, value in about.items())}

| figure | found | wanted |
|---|---|---|
{rows}

| fault | times |
|---|---|
{chr(10).join(f"| {kind} | {count} |" for kind, count in sorted(kinds.items()))}

The same plan again: `make faults ARGS="{again}"`.
"""
