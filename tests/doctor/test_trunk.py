"""`bridge doctor --trunk`: what it says of certificates, numbers and trunks that are not there."""

from pathlib import Path

import pytest

from bridge.doctor import trunk
from bridge.doctor.examination import CheckState
from bridge.sandbox import certificate


@pytest.mark.parametrize(
    ("days", "state", "says"),
    [
        (-2, CheckState.FAILED, "has expired on"),
        (5, CheckState.WARNING, "4 days"),
        (100, CheckState.OK, "99 days"),
    ],
)
def test_the_days_of_a_certificate_are_counted(tmp_path: Path, days: int, state: CheckState, says: str) -> None:
    path, _ = certificate.ensure(tmp_path / "tls", days)
    result = trunk.certificate(path)
    assert (result.state, says in result.what) == (state, True), result


def test_what_is_no_certificate_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "certificate.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nx\n")
    for path in (broken, tmp_path / "nowhere.pem"):
        assert trunk.certificate(path).state is CheckState.FAILED
