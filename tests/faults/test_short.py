"""Two minutes of real calls under faults of every part: every promise holds."""

from pathlib import Path

import pytest

from tests.faults import report, run
from tests.faults.report import Run

SEED = 3


@pytest.mark.timeout(280)
async def test_every_minute_survives_faults_of_every_part(tmp_path: Path) -> None:
    said: list[str] = []
    found = await run.run(SEED, run.SHORT, tmp_path, said.append)
    print("\n".join([*said, report.table([Run(SEED, "--short", found.verdict, found.troubles)])]))
    assert len(found.troubles) >= 30
    assert int(found.verdict.figures["joins"]) >= 80
    assert found.verdict.figures["ghosts"] == run.SHORT.ghosts
    assert not found.verdict.violations, report.complaints(found.verdict.violations)
