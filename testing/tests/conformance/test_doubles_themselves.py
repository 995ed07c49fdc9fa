"""The doubles: the correct ones work, and each broken one says what it breaks and is a plugin still."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "doubles"))

import contents  # pyright: ignore[reportMissingImports] - lies there, in no package


Json = dict[str, Any]

TESTING = Path(__file__).resolve().parents[2]
DOUBLES = TESTING / "doubles"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
WITH_CHECK = ("0.4.0", "1.0.0", "1.1.0")
IPAM: Json = {"type": "ipam.py", "subnet": "10.1.0.0/29", "routes": [{"dst": "0.0.0.0/0"}]}
INTERFACE: Json = {"name": "net", "ipam": IPAM, "ipMasq": True}
META: Json = {**INTERFACE, "delegate": {"type": "interface.py"}}
CHAINED: Json = {"name": "net", "mtu": 1300}
PORTMAP: Json = {
    "name": "net",
    "runtimeConfig": {
        "portMappings": [
            {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
            {"hostPort": 5353, "containerPort": 53, "protocol": "udp"},
        ]
    },
}
SILENT_ABOUT_VERSIONS = ("silent_version.py", "version_needs_cni_path.py", "version_lists_none.py")


class Machine:
    """Namespaces of our own, with an empty /run and /var/lib, entered for each command."""

    def __init__(self) -> None:
        rootless = os.geteuid() != 0
        prepare = (
            "mount -t tmpfs none /run && mount -t tmpfs none /var/lib && mkdir /run/netns && "
            "ip link set lo up && echo ready && exec cat"
        )
        self.holder = subprocess.Popen(
            ["unshare", "-Urnm" if rootless else "-nm", "sh", "-ec", prepare],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.holder.stdout is not None
        self.ready = self.holder.stdout.readline() == b"ready\n"
        user = ["-U", "--preserve-credentials"] if rootless else []
        self.enter = ["nsenter", "-t", str(self.holder.pid), *user, "-n", "-m"]

    def why_not(self) -> str:
        assert self.holder.stderr is not None
        return self.holder.stderr.read().decode().strip()

    def close(self) -> None:
        self.holder.communicate()

    def run(self, *argv: str) -> str:
        done = subprocess.run([*self.enter, *argv], capture_output=True, text=True, check=True)
        return done.stdout

    def container(self, name: str) -> str:
        self.run("ip", "netns", "add", name)
        return name

    def call(
        self,
        plugin: str,
        command: str,
        config: Json,
        container: str = "",
        *,
        netns: str | None = None,
    ) -> tuple[int, Any]:
        """Run a plugin; gives its exit status and what it printed."""
        path = f"/run/netns/{container}" if netns is None else netns
        variables = {
            "PATH": SYSTEM_PATH,
            "CNI_COMMAND": command,
            "CNI_PATH": str(DOUBLES),
            **({"CNI_CONTAINERID": container, "CNI_IFNAME": "eth0"} if container else {}),
            **({"CNI_NETNS": path} if container and path else {}),
        }
        assignments = [f"{name}={value}" for name, value in variables.items()]
        done = subprocess.run(
            [*self.enter, "env", "-i", *assignments, str(DOUBLES / plugin)],
            input=json.dumps(config).encode(),
            capture_output=True,
            check=False,
        )
        assert done.stderr == b""
        return done.returncode, json.loads(done.stdout) if done.stdout else None

    def add(self, plugin: str, config: Json, container: str) -> Json:
        status, result = self.call(plugin, "ADD", config, container)
        assert status == 0, result
        return result

    def link(self, container: str) -> Json:
        """The container's eth0, with its addresses."""
        output = self.run("ip", "-n", container, "-j", "addr", "show", "dev", "eth0")
        return json.loads(output)[0]

    def picture(self) -> tuple[list[str], str, list[str]]:
        """Links, rules and reservations of the host."""
        links = [row["ifname"] for row in json.loads(self.run("ip", "-j", "link"))]
        files = self.run("find", "/var/lib", "-type", "f", "!", "-name", "lock").split()
        return links, self.run("nft", "-s", "list", "ruleset"), files


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine()
    if not made.ready:
        pytest.skip(f"namespaces cannot be made here: {made.why_not()}")
    yield made
    made.close()


def version_of(config: Json, version: str) -> Json:
    return {**config, "cniVersion": version}


# -- the correct ones ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("plugin", "config"), [("interface.py", INTERFACE), ("meta.py", META)])
def test_an_interface_comes_and_goes(
    machine: Machine, plugin: str, config: Json, version: str
) -> None:
    before = machine.picture()
    container = machine.container("c1")
    config = version_of(config, version)
    result = machine.add(plugin, config, container)
    link = machine.link(container)

    assert result["cniVersion"] == version
    assert link["addr_info"][0]["local"] == "10.1.0.2"
    assert "UP" in link["flags"]
    assert "masquerade" in machine.picture()[1]
    if version < "0.3.0":
        assert result["ip4"]["ip"] == "10.1.0.2/29"
        assert not {"ips", "interfaces"} & set(result)
    else:
        host, inside = result["interfaces"]
        assert host["name"] in machine.picture()[0]
        assert (inside["name"], inside["sandbox"]) == ("eth0", "/run/netns/c1")
        assert inside["mac"] == link["address"]
        assert inside.get("mtu") == (1500 if version == "1.1.0" else None)
        assert result["ips"][0].get("version") == (None if version >= "1.0.0" else "4")
        assert result["ips"][0]["interface"] == 1
    assert machine.run("ip", "-n", container, "route", "show", "default") != ""

    status, error = machine.call(plugin, "ADD", config, container)
    assert (status, error["code"]) == (1, 102)
    if version in WITH_CHECK:
        assert machine.call(plugin, "CHECK", {**config, "prevResult": result}, container) == (
            0,
            None,
        )

    for _ in range(2):
        assert machine.call(plugin, "DEL", config, container) == (0, None)
    assert machine.picture() == before


@pytest.mark.parametrize(
    "change",
    [
        ("ip", "link", "set", "eth0", "down"),
        ("ip", "addr", "del", "10.1.0.2/29", "dev", "eth0"),
        ("ip", "route", "del", "default"),
        ("ip", "link", "set", "eth0", "address", "02:00:00:00:00:07"),
        ("ip", "link", "del", "eth0"),
    ],
)
def test_check_of_the_interface_notices(machine: Machine, change: tuple[str, ...]) -> None:
    container = machine.container("c1")
    config = version_of(INTERFACE, "1.1.0")
    result = machine.add("interface.py", config, container)
    machine.run("ip", "netns", "exec", container, *change)
    status, error = machine.call(
        "interface.py", "CHECK", {**config, "prevResult": result}, container
    )
    assert (status, error["code"]) == (1, 103)


@pytest.mark.parametrize("netns", ["", "/run/netns/gone"])
def test_delete_without_the_namespace(machine: Machine, netns: str) -> None:
    before = machine.picture()
    container = machine.container("c1")
    config = version_of(META, "1.1.0")
    machine.add("meta.py", config, container)
    assert machine.call("meta.py", "DEL", config, container, netns=netns) == (0, None)
    assert machine.picture() == before


def test_a_failed_add_leaves_nothing(machine: Machine) -> None:
    config = version_of(META, "1.1.0")
    for number in range(5):
        machine.add("meta.py", config, machine.container(f"c{number}"))
    before = machine.picture()
    assert machine.call("meta.py", "STATUS", config)[1]["code"] == 50
    status, error = machine.call("meta.py", "ADD", config, machine.container("late"))
    assert (status, error["code"]) == (1, 101)
    assert "no address left" in error["msg"]
    assert machine.picture() == before


def test_the_namespace_of_the_host_is_refused(machine: Machine) -> None:
    config = version_of(INTERFACE, "1.1.0")
    before = machine.picture()
    status, error = machine.call("interface.py", "ADD", config, "c1", netns="/proc/self/ns/net")
    assert (status, error["code"]) == (1, 4)
    assert machine.picture() == before


def test_gc_goes_by_the_list(machine: Machine) -> None:
    config = version_of(META, "1.1.0")
    empty = machine.picture()
    machine.add("meta.py", config, machine.container("kept"))
    one = machine.picture()
    machine.add("meta.py", config, machine.container("stale"))
    two = machine.picture()
    valid = "cni.dev/valid-attachments"
    listed = [{"containerID": "kept", "ifname": "eth0"}]
    for change, expected in (({}, two), ({valid: listed}, one), ({valid: None}, empty)):
        assert machine.call("meta.py", "GC", {**config, **change}) == (0, None)
        assert machine.picture() == expected


@pytest.mark.parametrize("version", VERSIONS[2:])
@pytest.mark.parametrize(("plugin", "config"), [("chained.py", CHAINED), ("portmap.py", PORTMAP)])
def test_a_chained_plugin_comes_and_goes(
    machine: Machine, plugin: str, config: Json, version: str
) -> None:
    container = machine.container("c1")
    config = version_of(config, version)
    previous = machine.add("interface.py", version_of(INTERFACE, version), container)
    before = machine.picture()
    status, error = machine.call(plugin, "ADD", config, container)
    assert (status, error["code"]) == (1, 7)

    result = machine.add(plugin, {**config, "prevResult": previous}, container)
    if plugin == "chained.py":
        assert machine.link(container)["mtu"] == 1300
    if plugin == "chained.py" and version == "1.1.0":
        previous["interfaces"][1]["mtu"] = 1300
    assert result == previous
    assert machine.picture() != before

    final = {**config, "prevResult": result}
    if version in WITH_CHECK:
        assert machine.call(plugin, "CHECK", final, container) == (0, None)
        machine.run("nft", "flush", "ruleset")
        assert machine.call(plugin, "CHECK", final, container)[1]["code"] == 103
        assert machine.call(plugin, "DEL", config, container) == (0, None)
        machine.add(plugin, {**config, "prevResult": previous}, container)

    bare = {"name": "net", "cniVersion": version}
    for _ in range(2):
        assert machine.call(plugin, "DEL", bare, container) == (0, None)
    assert machine.link(container)["mtu"] == 1500
    assert [machine.picture()[at] for at in (0, 2)] == [before[at] for at in (0, 2)]
    assert "double_net" not in machine.picture()[1]
    assert "double_portmap_net" not in machine.picture()[1]


def test_a_port_mapper_without_mappings_changes_nothing(machine: Machine) -> None:
    container = machine.container("c1")
    previous = machine.add("interface.py", version_of(INTERFACE, "1.1.0"), container)
    before = machine.picture()
    config: Json = {"name": "net", "cniVersion": "1.1.0", "prevResult": previous}
    assert machine.add("portmap.py", config, container) == previous
    assert machine.picture() == before


@pytest.mark.parametrize("version", VERSIONS)
def test_an_address_comes_and_goes(machine: Machine, version: str) -> None:
    before = machine.picture()
    config = version_of({"name": "net", "ipam": IPAM}, version)
    result = machine.add("ipam.py", config, "c1")
    assert "interfaces" not in result
    assert "10.1.0.2/29" in json.dumps(result)
    assert len(machine.picture()[2]) == 1
    assert machine.call("ipam.py", "ADD", config, "c1")[1]["code"] == 102
    if version in WITH_CHECK:
        final = {**config, "prevResult": result}
        assert machine.call("ipam.py", "CHECK", final, "c1") == (0, None)
        assert machine.call("ipam.py", "CHECK", final, "c2")[1]["code"] == 103
    assert machine.call("ipam.py", "DEL", config, "c1", netns="") == (0, None)
    assert machine.picture() == before


def test_an_address_of_each_range_or_none(machine: Machine) -> None:
    ranges = [[{"subnet": "10.1.0.0/29"}], [{"subnet": "fd00:1::/126"}]]
    ipam = {"type": "ipam.py", "ranges": ranges}
    config = version_of({"name": "net", "ipam": ipam}, "1.1.0")
    for number in (2, 3):
        result = machine.add("ipam.py", config, f"c{number}")
        given = [ip["address"] for ip in result["ips"]]
        assert given == [f"10.1.0.{number}/29", f"fd00:1::{number}/126"]
    before = machine.picture()
    assert machine.call("ipam.py", "ADD", config, "c4")[1]["code"] == 101
    assert machine.call("ipam.py", "STATUS", config)[1]["code"] == 50
    assert machine.picture() == before


# -- the broken ones -------------------------------------------------------------------------------


def requirement_ids() -> set[str]:
    text = (TESTING / "cni_conformance" / "requirements.toml").read_text("utf-8")
    return {row["id"] for row in tomllib.loads(text)["requirement"] if not row.get("untestable")}


def test_every_double_names_requirements_that_exist() -> None:
    known = requirement_ids()
    wrong = {path.name: contents.breaks(path) for path in contents.broken()}
    wrong = {name: ids for name, ids in wrong.items() if not ids or set(ids) - known}
    assert wrong == {}


def test_there_are_enough() -> None:
    paths = contents.broken()
    assert len(paths) >= 60
    assert {path.parent.name for path in paths} == {
        "chained",
        "interface",
        "ipam",
        "meta",
        "portmap",
    }


def test_the_table_of_contents_is_up_to_date() -> None:
    assert (DOUBLES / "README.md").read_text("utf-8") == contents.contents()


@pytest.mark.parametrize(
    "path", contents.broken(), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_a_broken_double_is_a_plugin(path: Path) -> None:
    assert os.access(path, os.X_OK)
    assert contents.sin(path).endswith((".", ")."))
    done = subprocess.run(
        [str(path)],
        input=b'{"cniVersion": "1.0.0"}',
        capture_output=True,
        check=False,
        env={"PATH": SYSTEM_PATH, "CNI_COMMAND": "VERSION"},
    )
    if path.name in SILENT_ABOUT_VERSIONS:
        assert b"supportedVersions" not in done.stdout
    else:
        assert done.returncode == 0
        assert list(VERSIONS) == json.loads(done.stdout)["supportedVersions"]
