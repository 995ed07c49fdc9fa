"""A JSON object in a file that another implementation reads and writes too."""

import json
from pathlib import Path

import pytest

from cnisdk import JsonFile, errors


WHAT = "dataDir: cannot save"


def test_what_was_written_is_read_until_it_is_removed(tmp_path: Path) -> None:
    """The directory is made; file and directory are the owner's alone."""
    path = tmp_path / "state" / "c1_eth0.json"
    file = JsonFile(str(path))
    assert file.read() is None
    file.remove()

    file.write({"mtu": 1500}, what=WHAT)
    file.write({"mtu": 1400}, what=WHAT)

    assert file.read() == json.loads(path.read_text()) == {"mtu": 1400}
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    file.remove()
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[1]", '{"a": ', "[" * 100_000])
def test_what_is_no_object_counts_as_absent(tmp_path: Path, content: str) -> None:
    """Damage never stands in the way of DEL."""
    path = tmp_path / "x.json"
    path.write_text(content)

    assert JsonFile(str(path)).read() is None


def test_what_a_killed_call_has_left_is_removed_too(tmp_path: Path) -> None:
    """And does not stand in the way of writing."""
    file = JsonFile(str(tmp_path / "x.json"))
    (tmp_path / "x.json.new").write_text("{")
    file.write({}, what=WHAT)
    (tmp_path / "x.json.new").write_text("{")

    assert JsonFile.within(str(tmp_path)) == [file]
    file.remove()
    assert list(tmp_path.iterdir()) == []


def test_dots_in_a_path_are_read_by_the_text(tmp_path: Path) -> None:
    """As in the Go plugins: dataDir may lead through what is not there."""
    file = JsonFile(f"{tmp_path}/gone/../of/x.json")
    file.write({"a": 1}, what="cannot save")

    assert JsonFile(str(tmp_path / "of" / "x.json")).read() == {"a": 1}


def test_a_directory_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    """Nor does a file in its place, where nothing can be written either."""
    (tmp_path / "file").touch()

    for directory in ("none", "file"):
        assert JsonFile.within(str(tmp_path / directory)) == []
    inside = JsonFile(str(tmp_path / "file" / "x.json"))
    inside.remove()
    with pytest.raises(errors.IoFailure, match=f"^{WHAT} in {inside.path}: "):
        inside.write({}, what=WHAT)


def test_what_cannot_be_removed_is_named(tmp_path: Path) -> None:
    """A directory in the place of the file."""
    (tmp_path / "x.json").mkdir()
    with pytest.raises(errors.IoFailure, match=r"cannot remove .*/x.json"):
        JsonFile(str(tmp_path / "x.json")).remove()
