"""Finding a plugin in CNI_PATH."""

from pathlib import Path

import pytest

from cnisdk import _exec, errors


def make(directory: Path, name: str = "bridge", mode: int = 0o755) -> str:
    directory.mkdir(exist_ok=True)
    file = directory / name
    file.write_text("#!/bin/sh\n")
    file.chmod(mode)
    return str(file)


def test_the_first_directory_that_has_the_plugin_wins(tmp_path):
    """T: find with several paths."""
    made = make(tmp_path / "b")
    make(tmp_path / "c")

    assert made == _exec.find("bridge", f"{tmp_path}/a:{tmp_path}/b:{tmp_path}/c")


def test_a_name_with_an_extension_is_found(tmp_path):
    """T: find with file extension."""
    made = make(tmp_path, "bridge.py")

    assert made == _exec.find("bridge.py", str(tmp_path))


def test_symbolic_links_are_followed(tmp_path):
    """Distributions link plugins into /opt/cni/bin."""
    made = make(tmp_path / "real")
    (tmp_path / "link").symlink_to(made)

    assert str(tmp_path / "link") == _exec.find("link", str(tmp_path))


@pytest.mark.parametrize("path", ["", ":", "::"])
def test_no_directories_to_search_is_an_error_of_the_environment(path):
    """T: find with no paths."""
    with pytest.raises(errors.InvalidEnvironment, match=r"no paths provided.*CNI_PATH is empty"):
        _exec.find("bridge", path)


def test_an_empty_name_is_refused(tmp_path):
    """T: find with no name."""
    with pytest.raises(errors.InvalidConfig, match="no plugin name provided"):
        _exec.find("", str(tmp_path))


@pytest.mark.parametrize("name", ["../bridge", "a/b", "/bin/true", ".", "..", "a\0b"])
def test_a_name_that_is_a_path_is_refused(tmp_path, name):
    """T: find with a name with separator."""
    with pytest.raises(errors.InvalidConfig, match="invalid plugin name"):
        _exec.find(name, str(tmp_path))


def test_a_plugin_that_is_not_there_names_the_directories_searched(tmp_path):
    """T: find not found."""
    with pytest.raises(_exec.PluginNotFound) as caught:
        _exec.find("bridge", f"{tmp_path}/a:{tmp_path}/b")

    assert f'failed to find plugin "bridge" in path [{tmp_path}/a {tmp_path}/b]' == caught.value.msg
    assert "install it" in caught.value.details


def test_a_file_that_cannot_be_executed_does_not_hide_one_that_can(tmp_path):
    """W-LIB-8: the exec bit decides, not the name alone."""
    make(tmp_path / "a", mode=0o644)
    made = make(tmp_path / "b")

    assert made == _exec.find("bridge", f"{tmp_path}/a:{tmp_path}/b")


def test_a_directory_does_not_hide_a_plugin(tmp_path):
    """W-LIB-8: a directory of the plugin's name is none."""
    (tmp_path / "a" / "bridge").mkdir(parents=True)
    made = make(tmp_path / "b")

    assert made == _exec.find("bridge", f"{tmp_path}/a:{tmp_path}/b")


def test_only_a_file_without_exec_bit_is_named_in_the_error(tmp_path):
    """W-LIB-8: the operator learns what is wrong with what is there."""
    made = make(tmp_path, mode=0o644)

    with pytest.raises(_exec.PluginNotFound) as caught:
        _exec.find("bridge", str(tmp_path))

    assert made in caught.value.details
    assert "not executable" in caught.value.details
