"""`make attack`: simulates a month of attacks on the phone at three sizes, and prints what came of them."""

import argparse
import json
import time
from collections.abc import Mapping

from tests.attack import mornings, report
from tests.attack.codes import CODES_OF_BEFORE, SIZES, lengths_by_odds
from tests.attack.mornings import Morning
from tests.attack.report import Findings
from tests.attack.simulation import Outcome, simulate
from tests.attack.strategies import STRATEGIES


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description=__doc__)
    parser.add_argument("--strategy", default="", help="only strategies with this text in their name")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of live codes")
    options = parser.parse_args()
    began = time.process_time()
    findings = Findings(_outcomes(options.sizes, options.strategy), _mornings())
    print(report.table(findings))
    print(json.dumps(report.figures(findings) | {"cpu_s": round(time.process_time() - began, 1)}))


def _outcomes(sizes: list[int], wanted: str) -> Mapping[int, list[Outcome]]:
    """All outcomes by size. What does not depend on the size is simulated once, and stands at each."""
    outcomes: dict[int, list[Outcome]] = {size: [] for size in sizes}
    for strategy in STRATEGIES:
        if wanted in strategy.name:
            once = None
            for size in sizes:
                once = simulate(strategy, lengths_by_odds(size)) if strategy.sizes or once is None else once
                outcomes[size].append(once)
    return outcomes


def _mornings() -> Mapping[str, Morning]:
    longest = lengths_by_odds(max(SIZES))
    return {
        "nine o'clock, company known": mornings.nine_o_clock(longest, known=True),
        "nine o'clock, company new": mornings.nine_o_clock(longest, known=False),
        "misprint, company known": mornings.misprint(longest, known=True),
        "misprint, company new": mornings.misprint(longest, known=False),
        "nine o'clock, codes of before": mornings.nine_o_clock(CODES_OF_BEFORE, known=False),
        "misprint, codes of before": mornings.misprint(CODES_OF_BEFORE, known=False),
    }


if __name__ == "__main__":
    main()
