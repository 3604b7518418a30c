"""The Debian mirror that this machine itself uses."""

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SCHEMES = ("http://", "https://", "mirror+http://", "mirror+https://")


@dataclass(frozen=True, slots=True)
class Source:
    """One place packages come from: an address and one suite there, as `bookworm` or `bookworm-security`."""

    uri: str
    suite: str


def mirror(apt: Path = Path("/etc/apt"), release: Path = Path("/etc/os-release")) -> str | None:
    """Where to get Debian from: BRIDGE_DEBIAN_MIRROR, else what a Debian machine's own apt sources say.

    None on any other distribution: mmdebstrap knows a mirror itself then.
    """
    if override := os.environ.get("BRIDGE_DEBIAN_MIRROR"):
        return override
    if "ID=debian" not in _read(release).replace('"', "").split():
        return None
    main = [source.uri for source in sources(apt) if "security" not in source.suite and source.uri.startswith(SCHEMES)]
    return next(iter(main), None)


def sources(apt: Path) -> list[Source]:
    """All enabled binary sources that carry `main`, of `sources.list` and `sources.list.d`, in both formats."""
    found: list[Source] = []
    for path in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))):
        found += one_line(_read(path))
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        found += deb822(_read(path))
    return found


def one_line(text: str) -> list[Source]:
    """Sources of a `.list` file: `deb [options] URI SUITE COMPONENT…`."""
    found = []
    for line in text.splitlines():
        words = shlex.split(_without_options(line.partition("#")[0]))
        if len(words) >= 4 and words[0] == "deb" and "main" in words[3:]:
            found.append(Source(words[1], words[2]))
    return found


def deb822(text: str) -> list[Source]:
    """Sources of a `.sources` file: stanzas of `Types: URIs: Suites: Components:`."""
    found = []
    for stanza in _stanzas(text):
        usable = "deb" in stanza.get("types", "").split() and "main" in stanza.get("components", "").split()
        if usable and stanza.get("enabled", "yes").lower() not in ("no", "false", "off", "0"):
            uris, suites = stanza.get("uris", "").split(), stanza.get("suites", "").split()
            found += [Source(uri, suite) for uri in uris for suite in suites]
    return found


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for block in "\n".join(lines).split("\n\n"):
        stanza: dict[str, str] = {}
        field = ""
        for line in block.splitlines():
            if line[:1].isspace():
                stanza[field] = f"{stanza.get(field, '')} {line.strip()}"
            elif ":" in line:
                field, _, value = line.partition(":")
                field = field.strip().lower()
                stanza[field] = value.strip()
        yield stanza


def _without_options(line: str) -> str:
    before, bracket, rest = line.partition("[")
    return before + rest.partition("]")[2] if bracket else line


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
