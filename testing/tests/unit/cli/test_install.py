"""Installing and removing launchers."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cnisdk import install as installer
from cnisdk.install import InstallFailure


BRIDGE = "reference_plugins.bridge:Bridge"
FOREIGN = "#!/bin/sh\necho not ours\n"
PLUGIN = """\
import cnisdk
from cnisdk import on

class VxLanTunnel(cnisdk.Plugin[cnisdk.NetConf], stateless=True):
    "A tunnel."

    @on.add
    def attach(self, op: cnisdk.Add[cnisdk.NetConf]) -> cnisdk.Result:
        return op.result().build()

    @on.delete
    def detach(self, op: cnisdk.Del[cnisdk.NetConf]) -> None: ...
"""


def versions_of(path: Path) -> str:
    """What a plugin answers to VERSION, started as a runtime starts it."""
    done = subprocess.run(
        [path], env={"CNI_COMMAND": "VERSION"}, capture_output=True, cwd="/", check=False
    )
    return done.stdout.decode()


def test_all_reference_plugins_are_installed_and_answer(node, cnisdk):
    """One word installs every reference plugin under its CNI type."""
    outcome = cnisdk("install", "reference", "--bin-dir", node.bin, "--json")

    assert outcome.code == 0
    assert {each["type"] for each in outcome.json} == set(installer.reference_plugins())
    for each in outcome.json:
        assert '"supportedVersions"' in versions_of(Path(each["path"]))
        assert stat.S_IMODE(os.stat(each["path"]).st_mode) == 0o755
    assert not [name for name in os.listdir(node.bin) if name.startswith(".")]


def test_installing_again_changes_nothing(node, cnisdk):
    """An installation that is up to date is left alone."""
    cnisdk("install", BRIDGE, "--bin-dir", node.bin)
    before = os.stat(node.bin / "bridge").st_ino

    outcome = cnisdk("install", BRIDGE, "--bin-dir", node.bin, "--json")

    assert [each["change"] for each in outcome.json] == ["unchanged"]
    assert os.stat(node.bin / "bridge").st_ino == before


def test_a_launcher_is_replaced_by_a_new_file(node, cnisdk):
    """multus#1221: a running plugin is never written to, its name gets another file."""
    other = f"#!/usr/bin/python3 -I\n# cnisdk launcher: {BRIDGE}\n"
    (node.bin / "bridge").write_text(other)
    before = os.stat(node.bin / "bridge").st_ino

    outcome = cnisdk("install", BRIDGE, "--bin-dir", node.bin, "--json")

    assert [each["change"] for each in outcome.json] == ["updated"]
    assert os.stat(node.bin / "bridge").st_ino != before


def test_a_foreign_file_stops_the_whole_installation(node, cnisdk):
    """All or none: the plugins that could be installed are not."""
    (node.bin / "static").write_text(FOREIGN)

    outcome = cnisdk("install", "reference", "--bin-dir", node.bin)

    assert outcome.code == 1
    assert "static exists and is not a launcher" in outcome.stderr
    assert "--force" in outcome.stderr
    assert os.listdir(node.bin) == ["static"]


def test_force_replaces_a_foreign_file(node, cnisdk):
    """--force is for replacing the Go plugins in place."""
    (node.bin / "bridge").write_text(FOREIGN)

    outcome = cnisdk("install", BRIDGE, "--bin-dir", node.bin, "--force", "--json")

    assert [each["change"] for each in outcome.json] == ["replaced"]
    assert "supportedVersions" in versions_of(node.bin / "bridge")


def test_a_symbolic_link_is_replaced_and_not_followed(node, cnisdk):
    """What the link points to is somebody else's."""
    elsewhere = node.root / "elsewhere"
    elsewhere.write_text(FOREIGN)
    (node.bin / "bridge").symlink_to(elsewhere)

    refused = cnisdk("install", BRIDGE, "--bin-dir", node.bin)
    forced = cnisdk("install", BRIDGE, "--bin-dir", node.bin, "--force")

    assert (refused.code, forced.code) == (1, 0)
    assert elsewhere.read_text() == FOREIGN
    assert not (node.bin / "bridge").is_symlink()


def test_a_directory_in_the_place_is_refused_even_with_force(node, cnisdk):
    """A directory cannot be replaced by a rename."""
    (node.bin / "bridge").mkdir()

    outcome = cnisdk("install", BRIDGE, "--bin-dir", node.bin, "--force")

    assert outcome.code == 1
    assert "is a directory" in outcome.stderr


def test_a_plugin_that_is_not_installed_runs_from_its_directory(node, cnisdk, monkeypatch):
    """On day one the plugin is a file in the current directory."""
    (node.root / "tunnels.py").write_text(PLUGIN)
    monkeypatch.chdir(node.root)

    outcome = cnisdk("install", "tunnels:VxLanTunnel", "--bin-dir", node.bin, "--json")

    assert outcome.code == 0
    assert outcome.json[0]["type"] == "vx-lan-tunnel"
    assert outcome.json[0]["target"] == f"tunnels:VxLanTunnel@{node.root}"
    env = {"CNI_COMMAND": "STATUS"}
    stdin = b'{"cniVersion": "1.1.0", "name": "n", "type": "vx-lan-tunnel"}'
    done = subprocess.run([node.bin / "vx-lan-tunnel"], env=env, input=stdin, cwd="/", check=False)
    assert done.returncode == 0


def test_a_type_can_be_chosen(node, cnisdk):
    """TYPE=package.module:Class installs under another name."""
    cnisdk("install", f"mybridge={BRIDGE}", "--bin-dir", node.bin)

    assert installer.installed(str(node.bin)) == ["mybridge"]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("nowhere:Plugin", "No module named 'nowhere'"),
        ("reference_plugins.bridge:Nothing", 'has no class "Nothing"'),
        ("json:loads", "is no plugin class"),
        ("cnisdk:Plugin", "handles no verb"),
        ("bridge", "names no plugin"),
        ("../x=reference_plugins.bridge:Bridge", "cannot be a CNI type"),
        (".x=reference_plugins.bridge:Bridge", "cannot be a CNI type"),
    ],
)
def test_a_target_that_cannot_be_installed_is_named(node, cnisdk, target, expected):
    """The message says which target, and nothing is written."""
    outcome = cnisdk("install", BRIDGE, target, "--bin-dir", node.bin)

    assert outcome.code == 1
    assert expected in outcome.stderr
    assert os.listdir(node.bin) == []


def test_a_module_that_fails_to_import_is_reported_without_traceback(node, cnisdk, monkeypatch):
    """Whatever the author's module raises is one line."""
    (node.root / "broken.py").write_text("print('noise')\nraise SystemExit('half done')\n")
    monkeypatch.chdir(node.root)

    outcome = cnisdk("install", "broken:Plugin", "--bin-dir", node.bin)

    assert outcome.code == 1
    assert "half done" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_two_plugins_of_one_type_are_refused(node, cnisdk):
    """The second would silently replace the first."""
    targets = (f"x={BRIDGE}", "x=reference_plugins.static:Static")

    outcome = cnisdk("install", *targets, "--bin-dir", node.bin)

    assert outcome.code == 1
    assert 'installed as "x"' in outcome.stderr


def test_a_launcher_that_cannot_be_run_is_not_installed(node, monkeypatch):
    """A directory mounted noexec, a shebang the kernel refuses: found before the rename."""
    monkeypatch.setattr("cnisdk._installed_file.Launcher.text", lambda _: "#!/nonexistent -I\n")

    with pytest.raises(InstallFailure, match="does not work"):
        installer.install([BRIDGE], str(node.bin))

    assert os.listdir(node.bin) == []


def test_an_interpreter_whose_path_has_a_space_is_refused(node, monkeypatch):
    """The kernel splits the first line of a script at spaces."""
    monkeypatch.setattr(sys, "executable", "/opt/my python/bin/python")

    with pytest.raises(InstallFailure, match="space"):
        installer.install([BRIDGE], str(node.bin))


def test_what_a_killed_installation_left_is_removed(node, cnisdk):
    """Old temporary files go; one that may belong to a running installation stays."""
    old, fresh = node.bin / ".bridge.cnisdk-tmp.1a", node.bin / ".bridge.cnisdk-tmp.2b"
    for path in (old, fresh):
        path.write_text("")
    os.utime(old, (0, 0))

    cnisdk("install", BRIDGE, "--bin-dir", node.bin)

    assert sorted(os.listdir(node.bin)) == [fresh.name, "bridge"]


def test_a_directory_that_cannot_be_made_is_named(node, cnisdk):
    """The error names the directory and the option."""
    (node.root / "file").write_text("")

    outcome = cnisdk("install", BRIDGE, "--bin-dir", node.root / "file" / "bin")

    assert outcome.code == 1
    assert str(node.root / "file" / "bin") in outcome.stderr


def test_uninstall_removes_launchers_only(plugins, cnisdk):
    """A file of somebody else's stays, and so does everything when it is named."""
    (plugins.bin / "other").write_text(FOREIGN)

    refused = cnisdk("uninstall", "bridge", "other", "--bin-dir", plugins.bin)
    assert refused.code == 1
    assert (plugins.bin / "bridge").exists()

    done = cnisdk("uninstall", "--all", "--bin-dir", plugins.bin)
    assert done.code == 0
    assert os.listdir(plugins.bin) == ["other"]


def test_uninstalling_what_is_not_there_is_no_error(node, cnisdk):
    """An uninstallation can be repeated."""
    outcome = cnisdk("uninstall", "reference", "--bin-dir", node.bin, "--json")

    assert outcome.code == 0
    assert outcome.json == {"removed": [], "path": str(node.bin)}


def test_a_plugin_that_attachments_need_is_kept(plugins, cnisdk):
    """ctrd#12130: without its binary every DEL fails."""
    plugins.write("10-pool.conflist", plugins.pool())
    cache = ("--cache-dir", plugins.cache)
    assert cnisdk("add", "pool", "/nonexistent/c1", "--container-id", "c1", *cache).code == 0

    refused = cnisdk("uninstall", "host-local", "--bin-dir", plugins.bin, *cache)
    forced = cnisdk("uninstall", "host-local", "--bin-dir", plugins.bin, *cache, "--force")

    assert refused.code == 1
    assert "c1/eth0 on pool" in refused.stderr
    assert forced.code == 0


def test_uninstall_wants_to_be_told_what(cnisdk):
    """Nothing is removed by default."""
    assert cnisdk("uninstall").code == 2
    assert cnisdk("uninstall", "bridge", "--all").code == 2
