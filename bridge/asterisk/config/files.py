"""Renders asterisk-conf/ and dialplan/ into a node's configuration folder."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import jinja2

from bridge.domain.errors import BridgeError

PROJECT = Path(__file__).resolve().parents[3]
MODULES: Final = "modules"


def render(target: Path, values: dict[str, object]) -> list[Path]:
    """Write every template of asterisk-conf/ and dialplan/ into `target`, and return the files.

    The files hold secrets, so only their owner may read them. Each replaces its predecessor in one step.
    Raises BridgeError if a template names a value that is not given.
    """
    target.mkdir(parents=True, exist_ok=True, mode=0o750)
    return [replace(target / name, text) for name, text in texts(values).items()]


def texts(values: dict[str, object]) -> dict[str, str]:
    """Render every template: file name → content. Raises BridgeError."""
    sources = sorted([*(PROJECT / "asterisk-conf").glob("*.conf"), *(PROJECT / "dialplan").glob("*.conf")])
    return {source.name: rendered(source, values) for source in sources}


def rendered(source: Path, values: Mapping[str, object]) -> str:
    """Render one template. Raises BridgeError if it names a value that is not given."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701  # these are Asterisk's files, not pages
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    try:
        return environment.from_string(source.read_text()).render(values)
    except jinja2.UndefinedError as error:
        raise BridgeError(f"{source.name} needs a value that no setting gives: {error}") from error


def link_modules(target: Path, installed: Path, others: Sequence[str]) -> list[Path]:
    """Make the folder `target`/modules, from which alone Asterisk loads modules, and return the links in it.

    It holds a link for each module of modules.conf and for `others`, and nothing else. So whoever has the password of
    ARI cannot load a module with a shell or the file system into Asterisk. Raises OSError.
    """
    folder = target / MODULES
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    links = {folder / name: installed / name for name in sorted({*modules(), *others})}
    for path in folder.iterdir():
        if path not in links or not path.is_symlink() or path.readlink() != links[path]:
            path.unlink()
    for path, module in links.items():
        if not path.is_symlink():
            path.symlink_to(module)
    return list(links)


def modules() -> list[str]:
    """The names of the modules that modules.conf requires."""
    lines = (PROJECT / "asterisk-conf" / "modules.conf").read_text().splitlines()
    return [line.partition("=")[2].strip() for line in lines if line.startswith("require")]


def make_folders(home: Path, journal: Path) -> list[Path]:
    """Make the folders that Asterisk writes to but does not make itself, and return them.

    Without the journal's folder there would be no minutes.
    """
    folders = [
        journal.parent,
        *(home / name for name in ("varlib", "db", "keys", "agi", "sbin", "spool", "run", "log")),
    ]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    return folders


def replace(path: Path, text: str, mode: int = 0o600) -> Path:
    """Replace a file in one step, so that no reader sees half of it, and return its path."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
