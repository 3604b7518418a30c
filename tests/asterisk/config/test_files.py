"""Rendering Asterisk's configuration: the folder of the modules that may be loaded."""

from pathlib import Path

from bridge.asterisk.config import files, trunks

OTHERS = [trunks.INFO]


def test_only_the_modules_of_the_bridge_can_be_loaded(tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    links = files.link_modules(tmp_path / "etc", installed, OTHERS)
    folder = tmp_path / "etc" / "modules"
    names = {path.name for path in folder.iterdir()}
    assert names == {*files.modules(), trunks.INFO} == {path.name for path in links}
    assert all(path.readlink() == installed / path.name for path in links)
    assert not names & {"app_system.so", "func_shell.so", "func_curl.so", "res_agi.so", "app_dial.so", "app_record.so"}


def test_links_that_are_too_many_or_elsewhere_are_mended(tmp_path: Path) -> None:
    first = tmp_path / "first"
    files.link_modules(tmp_path, first, OTHERS)
    stray, real = tmp_path / "modules" / "func_shell.so", tmp_path / "modules" / "chan_pjsip.so"
    stray.symlink_to(first / "func_shell.so")
    real.unlink()
    real.write_text("no module")
    second = tmp_path / "second"
    links = files.link_modules(tmp_path, second, OTHERS)
    assert not stray.is_symlink()
    assert {path.readlink().parent for path in links} == {second}
