"""Every name that a page quotes exists: paths, links, settings, metrics, log events, commands, make targets, tests."""

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from bridge import cli, settings, telemetry
from bridge.sandbox import cli as sandbox
from tests.docs.pages import PAGES, ROOT, blocks, name_of, prose, quoted

TOPS = ("bridge/", "tests/", "docs/", "dialplan/", "migrations/", "asterisk-conf/", ".ci/")
ENDS_OF_COMMANDS = ("|", ">", "#", "&&", ";", "…", "...")
FOREIGN = {"cel_pgsql", "dialplan_exec", "func_odbc", "snake_case"}
"""Names that are not ours: of Asterisk, and of a way to write names."""

every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


@cache
def sources() -> str:
    """All code and configuration of the product as one text."""
    folders = [ROOT / name for name in ("bridge", "dialplan", "asterisk-conf", "migrations")]
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in (".py", ".conf")]
    return "\n".join(path.read_text() for path in [*paths, ROOT / "pyproject.toml", ROOT / "Makefile"])


@cache
def words() -> frozenset[str]:
    return frozenset(re.findall(r"\w+", sources()))


@cache
def metrics() -> frozenset[str]:
    return frozenset(metric.name for metric in telemetry.REGISTRY.collect())


@cache
def root_command() -> Any:
    """The command line, with the sandbox."""
    whole = typer.Typer()
    whole.registered_commands = list(cli.app.registered_commands)
    whole.registered_groups = list(cli.app.registered_groups)
    whole.add_typer(sandbox.app, name="sandbox")
    return typer.main.get_command(whole)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> list[str]:
    """Everything on a page that begins with `bridge`, as it would be typed."""
    typed = [word for word in quoted(page) if word.startswith("bridge ")]
    for block in blocks(page):
        typed += re.findall(r"^(?:\$ )?(?:\.venv/bin/)?(bridge .*)$", block, re.MULTILINE)
    return typed


def trouble_with(typed: str) -> str | None:
    """The first word of a command line that the program does not know, or None."""
    command, rest = root_command(), shlex.split(typed, comments=True)[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] in ENDS_OF_COMMANDS:
            return None
        if rest[0] not in command.commands:
            return rest[0]
        command = command.commands[rest.pop(0)]
    known = {"--help", "--install-completion", "--show-completion"}
    known |= {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        if word in ENDS_OF_COMMANDS:
            return None
        if word.startswith("--") and word.partition("=")[0] not in known:
            return word
    return None


@every_page
def test_it_begins_with_its_reader(page: Path) -> None:
    if page.parent == ROOT:
        return
    title, empty, reader = page.read_text().splitlines()[:3]
    assert title.startswith("# ")
    assert not empty
    assert reader.startswith("*For "), "the third line says for whom the page is: *For …*"


@every_page
def test_every_path_exists(page: Path) -> None:
    paths = {word.partition("::")[0] for word in quoted(page) if word.startswith(TOPS)}
    assert [path for path in sorted(paths) if not list(ROOT.glob(path.rstrip("/")))] == []


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        where = (page.parent / file).resolve() if file else page
        if not where.exists() or (anchor and anchor not in anchors(where)):
            broken.append(target)
    assert broken == []


@every_page
def test_every_setting_and_variable_exists(page: Path) -> None:
    known = {name for name, _, _ in settings.table()} | words()
    assert sorted(set(re.findall(r"\bBRIDGE_[A-Z_]+\b", prose(page))) - known) == []


@every_page
def test_every_metric_exists(page: Path) -> None:
    named = {match for word in quoted(page) for match in re.findall(r"^bridge_[a-z_]+", word)}
    assert sorted(name for name in named if name.removesuffix("_total") not in metrics()) == []


@every_page
def test_every_name_of_the_code_exists(page: Path) -> None:
    """Log events, incidents, faults, reasons, fields: anything in snake_case. Metrics have a test of their own."""
    named = {word for word in quoted(page) if re.fullmatch(r"[a-z]+(?:_[a-z]+)+", word)}
    named -= {word for word in named if word.startswith(("bridge_", "test_"))}
    assert sorted(named - words() - FOREIGN) == []


@every_page
def test_every_log_event_is_logged(page: Path) -> None:
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)*)` in the log", prose(page)))
    assert sorted(name for name in named if f'"{name}"' not in sources()) == []


@every_page
def test_every_command_exists(page: Path) -> None:
    troubles = {typed: trouble_with(typed) for typed in commands(page)}
    assert {typed: word for typed, word in troubles.items() if word is not None} == {}


@every_page
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    typed = [match for word in quoted(page) for match in re.findall(r"^make ([a-z-]+)", word)]
    for block in blocks(page):
        typed += re.findall(r"^(?:\$ )?(?:cd \w+ && )?make ([a-z-]+)", block, re.MULTILINE)
    assert sorted(set(typed) - targets) == []


@every_page
def test_every_test_exists(page: Path) -> None:
    """Tests stand as tests/FILE::NAME, or as ::NAME behind one of the same file; a command has the test at its end."""
    missing, file = [], ""
    for word in quoted(page):
        path, colons, name = word.rpartition(" ")[2].partition("::")
        if path.startswith("tests/") and path.endswith(".py"):
            file = path
        if colons and f"def {name}(" not in (ROOT / file).read_text():
            missing.append(f"{file}::{name}")
    assert missing == []
