"""The list of installed plugins."""

import pytest

from cnisdk.cli import _plugins


def test_plugins_are_listed_with_versions_and_capabilities(plugins, cnisdk):
    """Ours tell everything, others their versions."""
    plugins.executable(
        "foreign", 'echo \'{"cniVersion": "1.0.0", "supportedVersions": ["0.4.0", "1.0.0"]}\''
    )
    (plugins.bin / "README").write_text("not a plugin")

    outcome = cnisdk("plugins", "--json")

    found = {each["type"]: each for each in outcome.json}
    assert outcome.code == 0
    assert "README" not in found
    assert found["bridge"] | {"path": ""} == {
        "type": "bridge",
        "path": "",
        "origin": "cnisdk",
        "target": "reference_plugins.bridge:Bridge",
        "kind": "interface",
        "versions": ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
        "verbs": ["ADD", "DEL", "CHECK", "STATUS"],
        "capabilities": ["mac"],
        "problem": "",
    }
    assert found["foreign"]["versions"] == ["0.4.0", "1.0.0"]
    assert found["foreign"]["capabilities"] is None


def test_a_plugin_that_does_not_work_is_listed_with_the_reason(node, cnisdk, monkeypatch):
    """One that hangs does not hold up the list."""
    monkeypatch.setattr(_plugins, "_SECONDS", 0.3)
    node.executable("hangs", "sleep 60")
    node.executable("babbles", "echo hello")

    outcome = cnisdk("plugins", "--json")

    found = {each["type"]: each["problem"] for each in outcome.json}
    assert "had not answered after 0.3 s" in found["hangs"]
    assert "not JSON" in found["babbles"]
    assert "not JSON" in cnisdk("plugins").stdout


def test_launchers_of_another_python_are_told_apart(node, cnisdk):
    """They cannot be imported here, and run another version of the SDK."""
    head = "#!/usr/bin/python-other -I\n# cnisdk launcher: tunnels:Tunnel\n"
    (node.bin / "tunnel").write_text(head)
    (node.bin / "tunnel").chmod(0o755)

    (found,) = cnisdk("plugins", "--json").json

    assert (found["origin"], found["target"]) == ("cnisdk (other Python)", "tunnels:Tunnel")


def test_the_first_directory_wins(plugins, cnisdk):
    """A name further down the path is hidden, as for a runtime."""
    other = plugins.root / "other"
    other.mkdir()
    (other / "bridge").write_text("#!/bin/sh\nexit 1\n")
    (other / "bridge").chmod(0o755)

    outcome = cnisdk("plugins", "--json", "--cni-path", f"{plugins.bin}:{other}:/nonexistent")

    assert [each["path"] for each in outcome.json if each["type"] == "bridge"] == [
        str(plugins.bin / "bridge")
    ]


@pytest.mark.usefixtures("plugins")
def test_the_table_has_a_row_per_plugin(cnisdk):
    """Versions are a range, not a list of seven."""
    outcome = cnisdk("plugins")

    row = next(line for line in outcome.stdout.splitlines() if line.startswith("host-local"))
    assert row.split()[:5] == ["host-local", "ipam", "0.1.0", "-", "1.1.0"]


def test_an_empty_path_says_how_to_fill_it(cnisdk):
    """Day one."""
    assert "cnisdk install reference" in cnisdk("plugins").stdout
