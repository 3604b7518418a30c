"""The pages that people read: README.md and docs/, their quoted words and their tables."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```.*?^```\n", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r"`([^`\n]+)`")


def name_of(page: Path) -> str:
    """The page's path below the root of the repository, for messages of tests."""
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """The text of a page without its blocks of code and output."""
    return _FENCE.sub("", page.read_text())


def blocks(page: Path) -> Iterator[str]:
    """The blocks of code and output of a page, without their fences."""
    for block in _FENCE.findall(page.read_text()):
        yield "\n".join(block.splitlines()[1:-1])


def quoted(page: Path) -> list[str]:
    """Everything in backticks in the prose of a page."""
    return _QUOTED.findall(prose(page))


def table_under(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its header row."""
    section = prose(page).split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows[2:]]
