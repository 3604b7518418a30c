"""The map in docs/architecture.md shows the whole house: each module of bridge/ in exactly one row."""

import re
from collections import Counter

from tests.docs.pages import ROOT, table_under

PAGE = ROOT / "docs" / "architecture.md"
ROWS = [path for row in table_under(PAGE, "The house") for path in re.findall(r"`(bridge/[^`]*)`", row[0])]
"""Folders, which end in /, and modules."""
MODULES = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "bridge").rglob("*.py"))]


def row_of(module: str) -> str | None:
    """The longest row that a module belongs to."""
    owners = [row for row in ROWS if module == row or (row.endswith("/") and module.startswith(row))]
    return max(owners, key=len, default=None)


def test_no_row_stands_twice() -> None:
    assert [row for row, times in Counter(ROWS).items() if times > 1] == []


def test_every_module_belongs_to_a_row() -> None:
    homeless = [module for module in MODULES if row_of(module) is None]
    # The package itself holds no code.
    assert homeless == ["bridge/__init__.py"], "add a row to the table of the house in docs/architecture.md"


def test_every_row_has_a_module() -> None:
    inhabited = {row_of(module) for module in MODULES}
    assert [row for row in ROWS if row not in inhabited] == []


def test_every_package_with_modules_has_its_own_row() -> None:
    packages = {module.rpartition("/")[0] + "/" for module in MODULES if not module.endswith("/__init__.py")}
    assert sorted(packages - {"bridge/"} - set(ROWS)) == [], "add a row to the table of the house"
