"""Several runs in one report: figures are combined, and every seed can be repeated."""

import json

from tests.faults import report
from tests.faults.auditor import Verdict, Violation
from tests.faults.nemesis import Trouble
from tests.faults.plan import Kind
from tests.faults.report import Run


def run(seed: int, joins: int = 10, error: float = 2.5, ghost: float = -700.0, charges: str = "1.50") -> Run:
    figures: dict[str, int | float | str] = {
        "joins": joins,
        "error_ms_max": error,
        "excess_ms_max": -error,
        "ghost_error_ms": ghost,
        "charges": charges,
        "violations": 0,
    }
    return Run(seed, f"--seed {seed} --rate 3.0", Verdict(figures, []), [Trouble(Kind.DAEMON_KILL, "daemon", 1, 2, 3)])


def test_counts_and_amounts_are_added_and_times_are_the_worst() -> None:
    combined = report.combined([run(1), run(2, joins=5, error=9.0, ghost=200.0, charges="0.25")])
    assert combined == {
        "joins": 15,
        "error_ms_max": 9.0,
        "excess_ms_max": -2.5,
        "ghost_error_ms": -700.0,
        "charges": "1.75",
        "violations": 0,
    }


def test_one_run_has_its_figures_and_its_seed_as_json() -> None:
    assert report.figures([run(7)], [7], {}) == {**run(7).verdict.figures, "seed": 7}


def test_several_runs_have_the_figures_of_all_and_of_each_as_json() -> None:
    figures = report.figures([run(7), run(8)], [7, 8, 9], {9: "SandboxError()"})
    json.dumps(figures)
    assert figures["joins"] == 20
    assert figures["seeds"] == [7, 8, 9]
    assert figures["failed_seeds"] == [9]
    assert figures["runs"] == [{**run(7).verdict.figures, "seed": 7}, {**run(8).verdict.figures, "seed": 8}]


def test_no_run_that_came_to_its_end_is_no_error() -> None:
    assert report.figures([], [7], {7: "SandboxError()"}) == {"seeds": [7], "failed_seeds": [7], "runs": []}


def test_the_table_has_a_column_for_each_seed_and_one_for_all() -> None:
    lines = report.table([run(7), run(8, joins=5)]).splitlines()
    assert lines[0].split() == ["seed", "7", "seed", "8", "all", "wanted"]
    assert next(line.split() for line in lines if line.startswith("  joins ")) == ["joins", "10", "5", "15"]


def test_the_page_names_every_seed_how_to_repeat_it_and_all_violations() -> None:
    broken = Run(
        9, "--seed 9", Verdict(run(9).verdict.figures, [Violation("no stay is lost", "node-1.1", "no record")]), []
    )
    page = report.page([run(7), broken], {"cores": 2})
    assert "| figure | seed 7 | seed 9 | all | wanted |" in page
    assert "| joins | 10 | 10 | 20 |  |" in page
    assert "| daemon kill -9 | 1 | 0 | 1 |" in page
    assert 'make faults ARGS="--seed 7 --rate 3.0"' in page
    assert 'make faults ARGS="--seed 9"' in page
    assert "1 violation." in page


def test_the_page_of_one_run_has_one_column_and_says_that_all_held() -> None:
    page = report.page([run(7)], {})
    assert "# Faults: what a run of `make faults` found" in page
    assert "| figure | seed 7 | wanted |" in page
    assert "Every promise held." in page
