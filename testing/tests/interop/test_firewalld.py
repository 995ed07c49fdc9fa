"""The firewall plugin with a real firewalld, in a namespace and on a bus of its own; beside Debian's Go plugin."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from cnisdk import BusFailure, Deadline, SystemBus, errors


if TYPE_CHECKING:
    from tests.kernel.machine import Machine, Netns, new_machine
else:
    from machine import Machine, Netns, new_machine

GO = Path("/usr/lib/cni")
SERVICE = "org.fedoraproject.FirewallD1"
BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/><allow user="*"/></policy></busconfig>
"""

pytestmark = [
    pytest.mark.interop,
    pytest.mark.kernel,
    pytest.mark.skipif(
        not shutil.which("firewalld", path="/usr/sbin:/usr/bin") or not shutil.which("dbus-daemon"),
        reason="needs the Debian packages firewalld and dbus-daemon",
    ),
]


@attrs.frozen
class Node:
    """A host on which firewalld runs."""

    machine: Machine
    container: Netns
    bus: str
    firewalld: subprocess.Popen[bytes]

    def sources(self, zone: str = "trusted") -> set[str]:
        with SystemBus(Deadline(20)) as bus:
            path, interface = "/org/fedoraproject/FirewallD1", f"{SERVICE}.zone"
            return {
                each
                for each in ("10.0.0.2/32", "10.0.0.3/32", "2001:db8::2/128")
                if bus.call(SERVICE, path, interface, "querySource", zone, each)[0]
            }

    def go(self, verb: str, cfg: dict[str, Any], prev: dict[str, Any]) -> None:
        env = self.machine.environment(verb, self.container)
        env["DBUS_SYSTEM_BUS_ADDRESS"] = self.bus
        out = self.machine.execute(GO / "firewall", env, {**cfg, "prevResult": prev})
        assert out.code == 0, out.stdout

    def reload(self) -> None:
        """What ``firewall-cmd --reload`` does."""
        with SystemBus(Deadline(20)) as bus:
            bus.call(SERVICE, "/org/fedoraproject/FirewallD1", SERVICE, "reload")

    def owners(self) -> int:
        """How many addresses have an owner."""
        return self.machine.host.ruleset().count("net: ")


@pytest.fixture
def node(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    plugins: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Node]:
    machine = new_machine(tmp_path, plugins)
    folder = tmp_path_factory.mktemp("bus")  # its path must be short
    address = f"unix:path={folder}/bus"
    (folder / "bus.conf").write_text(BUS.format(path=folder / "bus"))
    settings = folder / "etc"
    shutil.copytree("/etc/firewalld", settings)
    text = (settings / "firewalld.conf").read_text()
    (settings / "firewalld.conf").write_text(
        text.replace("CleanupModulesOnExit=yes", "CleanupModulesOnExit=no")
    )
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    enter = ["nsenter", f"--net={machine.host.path}", "--"]
    bus = subprocess.Popen(
        [*enter, "dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--nopidfile"],
        stderr=subprocess.DEVNULL,
    )
    daemon = None
    try:
        until((folder / "bus").is_socket)
        daemon = subprocess.Popen(
            [
                *enter,
                *("/usr/sbin/firewalld", "--nofork", "--nopid", "--system-config", settings),
                *("--log-target=file", f"--log-file={folder}/log"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(is_running)
        yield Node(machine, machine.container(), address, daemon)
    finally:
        for each in (daemon, bus):
            if each is not None:
                each.terminate()
                each.wait()
        machine.close()


def is_running() -> bool:
    with contextlib.suppress(errors.CniError), SystemBus(Deadline(20)) as bus:
        path = "/org/fedoraproject/FirewallD1"
        bus.call(SERVICE, path, f"{SERVICE}.zone", "querySource", "trusted", "10.0.0.2/32")
        return True
    return False


def until(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def conf(**keys: Any) -> dict[str, Any]:
    document = {"cniVersion": "1.0.0", "name": "mynet", "type": "firewall", "backend": "firewalld"}
    return {**document, **keys}


def prev(*addresses: str) -> dict[str, Any]:
    return {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "br0"}, {"name": "eth0", "sandbox": "/run/netns/c1"}],
        "ips": [
            {"address": each, "interface": 1}
            for each in addresses or ("10.0.0.2/24", "2001:db8::2/64")
        ],
    }


BOTH = {"10.0.0.2/32", "2001:db8::2/128"}


def test_sources_come_and_go(node: Node) -> None:
    """T: add and remove the source in trusted, prev passthrough; W-FW-1: no prevResult in DEL; W-FW-4: CHECK."""
    machine, cfg, result = node.machine, conf(), prev()
    for _ in range(2):
        result = machine.add(cfg, node.container, prev=prev())
        assert result == prev()
        assert node.sources() == BOTH
        machine.check(cfg, node.container, result)
    assert machine.call("STATUS", {**cfg, "cniVersion": "1.1.0"}).code == 0
    machine.delete(cfg, node.container, container_id="c2")
    assert node.sources() == BOTH
    node.reload()
    error = machine.call("CHECK", cfg, node.container, prev=result).error
    assert "10.0.0.2/32 is not in the zone trusted" in error
    machine.add(cfg, node.container, prev=prev())
    for _ in range(2):
        machine.delete(cfg, "")
        assert node.sources() == set()
        assert node.owners() == 0


def test_detected_by_default_and_in_another_zone(node: Node) -> None:
    """T: backend auto-detect: firewalld when its name has an owner."""
    machine, cfg = node.machine, conf(backend="", firewalldZone="internal")
    result = machine.add(cfg, node.container, prev=prev())

    assert node.sources("internal") == BOTH
    machine.check(cfg, node.container, result)
    error = machine.call("ADD", conf(), node.container, prev=prev(), container_id="c2").error
    assert "cannot add 10.0.0.2/32 to the zone trusted" in error
    assert node.sources("internal") == BOTH
    machine.delete(cfg, "")
    assert node.sources("internal") == set()


def test_gc_and_an_address_used_again(node: Node) -> None:
    """W-FW-1, W-FW-2."""
    machine, cfg = node.machine, conf(ingressPolicy="same-bridge")
    machine.add(cfg, node.container, prev=prev("10.0.0.2/24"))
    second = machine.add(cfg, node.container, prev=prev("10.0.0.3/24"), container_id="c2")
    machine.gc(cfg, ("c1", "eth0"), ("c2", "eth0"))
    assert node.sources() == {"10.0.0.2/32", "10.0.0.3/32"}
    machine.gc(cfg, ("c2", "eth0"))
    assert node.sources() == {"10.0.0.3/32"}
    machine.check(cfg, node.container, second, container_id="c2")
    third = machine.add(cfg, node.container, prev=prev("10.0.0.3/24"), container_id="c3")
    machine.delete(cfg, "", container_id="c2", prev=second)
    machine.check(cfg, node.container, third, container_id="c3")
    machine.gc(cfg)
    assert node.sources() == set()


def test_a_failing_add_takes_sources_back(node: Node) -> None:
    """The second address is in another zone already; the first must not stay."""
    machine = node.machine
    machine.add(conf(firewalldZone="internal"), node.container, prev=prev("2001:db8::2/64"))
    out = machine.call("ADD", conf(), node.container, prev=prev(), container_id="c2")

    assert out.code != 0
    assert node.sources() == set()


def test_without_firewalld(node: Node) -> None:
    """DEL succeeds, STATUS and ADD say what is missing."""
    machine, cfg = node.machine, conf(cniVersion="1.1.0")
    machine.add(cfg, node.container, prev={**prev(), "cniVersion": "1.1.0"})
    node.firewalld.terminate()
    node.firewalld.wait()

    assert machine.call("STATUS", cfg).document["code"] == 50
    assert machine.call("ADD", conf(), node.container, prev=prev()).code != 0
    machine.delete(cfg, "")
    assert node.owners() == 0


@pytest.mark.skipif(not (GO / "firewall").exists(), reason="needs containernetworking-plugins")
@pytest.mark.parametrize("maker", ["go", "ours"])
def test_swap(node: Node, maker: str) -> None:
    """What one has added, the other checks and deletes."""
    machine, cfg = node.machine, conf()
    if maker == "go":
        node.go("ADD", cfg, prev())
        machine.check(cfg, node.container, prev())
        machine.delete(cfg, node.container, prev=prev())
    else:
        machine.add(cfg, node.container, prev=prev())
        node.go("CHECK", cfg, prev())
        node.go("DEL", cfg, prev())
        machine.gc(cfg)
    assert node.sources() == set()
    assert node.owners() == 0


def test_errors_of_the_bus(node: Node) -> None:
    """They come by name, and the connection can be used on."""
    with SystemBus(Deadline(20)) as bus:
        assert bus.has_owner(SERVICE)
        assert not bus.has_owner("org.example.Nobody")
        with pytest.raises(BusFailure) as failure:
            bus.call("org.example.Nobody", "/", "org.example.Nobody", "Speak", "x")
        assert failure.value.name == "org.freedesktop.DBus.Error.ServiceUnknown"
        zones = bus.call(SERVICE, "/org/fedoraproject/FirewallD1", SERVICE, "getDefaultZone")
        assert zones == ["public"]


def test_a_bus_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything has a deadline; the step that hung is named."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "bus"))
        server.listen()
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus,guid=1")
        start = time.monotonic()
        with pytest.raises(errors.TryAgainLater, match="gave up after 0.3 s"):
            SystemBus(Deadline(0.3))
        assert time.monotonic() < start + 5
