"""Finds the Debian mirror that this machine uses for its own packages."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SCHEMES = ("http://", "https://", "mirror+http://", "mirror+https://")
ONE_LINE = re.compile(r"\s*deb\s+(\[(?P<options>[^]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)")


@dataclass(frozen=True, slots=True)
class AptSource:
    """A source of packages: an address, a suite there (`bookworm`, `bookworm-updates`), and the key ring if named."""

    uri: str
    suite: str
    signed_by: str = ""

    @property
    def is_archive(self) -> bool:
        """True if the entry looks like Debian's main archive or a mirror of it."""
        whole = f"{self.uri.rstrip('/')}/{self.suite}"
        if "security" in whole or not self.uri.startswith(SCHEMES):
            return False
        return self.uri.rstrip("/").endswith("/debian") or "debian-archive-keyring" in self.signed_by


def mirror(apt: Path = Path("/etc/apt"), release: Path = Path("/etc/os-release")) -> str | None:
    """Return the URL of a Debian mirror: BRIDGE_DEBIAN_MIRROR, else the one in a Debian machine's own apt sources.

    Returns None on any other distribution: then mmdebstrap uses its default mirror.
    """
    if override := os.environ.get("BRIDGE_DEBIAN_MIRROR"):
        return override
    if "ID=debian" not in _read(release).replace('"', "").split():
        return None
    return next((source.uri for source in sources(apt) if source.is_archive), None)


def sources(apt: Path) -> list[AptSource]:
    """Read the enabled binary sources that offer `main` from `sources.list` and `sources.list.d`, in both formats."""
    found: list[AptSource] = []
    for path in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))):
        found += one_line(_read(path))
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        found += deb822(_read(path))
    return found


def one_line(text: str) -> list[AptSource]:
    """Read the sources of a `.list` file: lines of `deb [options] URI SUITE COMPONENT…`."""
    found = []
    for line in text.splitlines():
        entry = ONE_LINE.match(line.partition("#")[0])
        if entry and "main" in entry["components"].split():
            signed_by = re.search(r"signed-by=(\S+)", entry["options"] or "")
            found.append(AptSource(entry["uri"], entry["suite"], signed_by[1] if signed_by else ""))
    return found


def deb822(text: str) -> list[AptSource]:
    """Read the sources of a `.sources` file: stanzas of `Types: URIs: Suites: Components:`."""
    found = []
    for stanza in _stanzas(text):
        usable = "deb" in stanza.get("types", "").split() and "main" in stanza.get("components", "").split()
        if usable and stanza.get("enabled", "yes").lower() not in ("no", "false", "off", "0"):
            uris, suites = stanza.get("uris", "").split(), stanza.get("suites", "").split()
            found += [AptSource(uri, suite, stanza.get("signed-by", "")) for uri in uris for suite in suites]
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


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
