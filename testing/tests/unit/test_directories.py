"""Directories for state have the modes they should have, under any umask."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnisdk import _directories


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_neither_the_directory_nor_its_parents_are_writable_by_others(
    umask: int, tmp_path: Path
) -> None:
    """Conformance sec/mode/1: os.makedirs leaves the parents to the umask."""
    path = tmp_path / "cni" / "networks" / "mynet"

    _directories.make(str(path), 0o700)

    assert mode(path) == 0o700 & ~umask
    assert mode(path.parent) == mode(path.parent.parent) == 0o755 & ~umask


def test_a_directory_that_is_there_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)

    _directories.make(str(tmp_path), 0o700)

    assert mode(tmp_path) == 0o750


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(FileExistsError):
        _directories.make(str(tmp_path / "file"), 0o700)
    with pytest.raises(FileExistsError):
        _directories.make(str(tmp_path / "file" / "below"), 0o700)
