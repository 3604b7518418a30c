"""LMDB files: opened only if they are whole and of our format, kept where they are damaged, translated errors."""

import stat
from pathlib import Path

import lmdb
import pytest

from bridge.domain.errors import Unavailable
from bridge.storage import lmdb_file
from bridge.storage.lmdb_file import DAMAGED, Layout

LAYOUT = Layout(map_bytes=1 << 20, tables=("one", "two"))


def filled(path: Path) -> None:
    file = lmdb_file.created(path, LAYOUT)
    with file.begin(write=True) as writing:
        writing.put(b"format", b"1")
        for number in range(500):
            writing.put(b"%d" % number, bytes(100), db=file.tables["one"])
    file.close()


def test_a_file_is_opened_with_what_was_written_and_for_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    filled(path)
    file = lmdb_file.opened(path, LAYOUT, lambda reading: reading.get(b"format") == b"1")
    assert file is not None
    with file.begin() as reading:
        assert reading.get(b"7", db=file.tables["one"]) == bytes(100)
        assert reading.get(b"7", db=file.tables["two"]) is None
    file.close()
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("damage", ["missing", "torn", "no LMDB", "another format"])
@pytest.mark.parametrize("unusable", [lmdb_file.UNUSABLE, DAMAGED])
def test_a_file_that_is_of_no_use_is_not_opened(
    tmp_path: Path, damage: str, unusable: tuple[type[Exception], ...]
) -> None:
    path = tmp_path / "x.lmdb"
    filled(path)
    match damage:
        case "missing":
            lmdb_file.remove(path)
        case "torn":
            path.write_bytes(path.read_bytes()[: 3 * 4096])
        case "no LMDB":
            path.write_bytes(b"x" * 9000)
    wanted = b"2" if damage == "another format" else b"1"
    assert lmdb_file.opened(path, LAYOUT, lambda reading: reading.get(b"format") == wanted, unusable) is None


def test_other_errors_are_raised_where_the_file_exists_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.lmdb"
    filled(path)

    def refused(*_: object, **__: object) -> None:
        raise lmdb.Error("permission denied")

    monkeypatch.setattr(lmdb, "open", refused)
    assert lmdb_file.opened(path, LAYOUT) is None
    with pytest.raises(lmdb.Error):
        lmdb_file.opened(path, LAYOUT, unusable=DAMAGED)


def test_a_finished_file_takes_the_place_of_one_that_is_being_read(tmp_path: Path) -> None:
    old = lmdb_file.created(tmp_path / "x.lmdb", LAYOUT)
    with old.begin(write=True) as writing:
        writing.put(b"is", b"old")
    new = lmdb_file.created(tmp_path / "x.lmdb.new", LAYOUT, sync=False)
    with new.begin(write=True) as writing:
        writing.put(b"is", b"new")
    new.finish()
    with old.begin() as reading:
        moved = lmdb_file.moved(new.path, old.path, LAYOUT)
        assert reading.get(b"is") == b"old"
    with moved.begin() as reading:
        assert reading.get(b"is") == b"new"
    old.close()
    moved.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["x.lmdb", "x.lmdb-lock"]


@pytest.mark.parametrize("error", [lmdb.DiskError("full"), OSError("gone")])
def test_errors_name_the_file(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(Unavailable, match=r"x\.lmdb can't be used"), lmdb_file.translated(tmp_path / "x.lmdb"):
        raise error


def test_a_file_that_is_full_says_so(tmp_path: Path) -> None:
    file = lmdb_file.created(tmp_path / "x.lmdb", LAYOUT)

    def fill() -> None:
        with lmdb_file.translated(file.path), file.begin(write=True) as writing:
            for number in range(100_000):
                writing.put(b"%d" % number, bytes(100), db=file.tables["one"])

    with pytest.raises(Unavailable):
        fill()
    file.close()
