"""The README tells what is: its tables are those of the product."""

from pathlib import Path

from bridge import settings, telemetry
from bridge.api.table import OPERATIONS

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


def test_every_setting_stands_in_the_table_with_its_default() -> None:
    for name, default, description in settings.table():
        shown = default if default == "required" else f"`{default}`" if default else "(empty)"
        assert f"| `{name}` | {shown} | {description} |" in README


def test_every_alarm_is_on_a_metric_that_exists() -> None:
    known = {metric.name for metric in telemetry.REGISTRY.collect()}
    named = {word.split("{")[0].removesuffix("_total") for word in README.split("`") if word.startswith("bridge_")}
    assert named
    assert named <= known


def test_every_resource_of_rest_is_told() -> None:
    for operation in OPERATIONS:
        assert operation.path.split("/")[2] in README
