"""Finding Debian's main archive among the package sources of a machine."""

from pathlib import Path

import pytest

from bridge.sandbox.host import apt_sources
from bridge.sandbox.host.apt_sources import AptSource

DEB822 = """\
# Debian
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An empty apt folder and the os-release of a Debian machine."""
    monkeypatch.delenv("BRIDGE_DEBIAN_MIRROR", raising=False)
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "os-release").write_text('NAME="Debian GNU/Linux"\nID=debian\n')
    return tmp_path / "apt", tmp_path / "os-release"


def test_deb822_has_every_suite_of_every_enabled_stanza() -> None:
    found = apt_sources.deb822(DEB822)
    assert [(each.uri.rpartition("/")[2], each.suite, each.is_archive) for each in found] == [
        ("debian", "bookworm", True),
        ("debian", "bookworm-updates", True),
        ("debian-security", "bookworm-security", False),
    ]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("deb http://m.example/debian bookworm main", [AptSource("http://m.example/debian", "bookworm")]),
        (
            "deb [arch=amd64 signed-by=/k.gpg] http://m.example/d sid main # x",
            [AptSource("http://m.example/d", "sid", "/k.gpg")],
        ),
        ("# deb http://m.example/debian bookworm main", []),
        ("deb-src http://m.example/debian bookworm main", []),
        ("deb http://m.example/docker bookworm stable", []),
        ("it's not a source", []),
    ],
)
def test_one_line(line: str, found: list[AptSource]) -> None:
    assert apt_sources.one_line(line + "\n") == found


def test_third_parties_and_discs_are_passed_over(machine: tuple[Path, Path]) -> None:
    apt, release = machine
    (apt / "sources.list").write_text("deb cdrom:[Debian 12 _Bookworm_]/debian bookworm main\n")
    (apt / "sources.list.d/a.list").write_text("deb https://packages.example/php bookworm main\n")
    (apt / "sources.list.d/debian.sources").write_text(DEB822)
    assert apt_sources.mirror(apt, release) == "http://mirror.example/debian"


def test_a_mirror_of_another_name_is_known_by_debians_keys(machine: tuple[Path, Path]) -> None:
    apt, release = machine
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (apt / "sources.list").write_text(f"deb [signed-by={keyring}] https://in.house/main-mirror trixie main\n")
    assert apt_sources.mirror(apt, release) == "https://in.house/main-mirror"


def test_other_distributions_have_no_debian_mirror_but_the_override_holds(
    machine: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    apt, release = machine
    (apt / "sources.list.d/debian.sources").write_text(DEB822)
    release.write_text("ID=ubuntu\nID_LIKE=debian\n")
    assert apt_sources.mirror(apt, release) is None
    monkeypatch.setenv("BRIDGE_DEBIAN_MIRROR", "http://given.example/debian")
    assert apt_sources.mirror(apt, release) == "http://given.example/debian"
