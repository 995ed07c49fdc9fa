"""host-device: how the device is said, by name, MAC or place below /sys; DPDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lent_device import MAC, SUBNET, conf, device, host_with_device
from machine import Machine, Netns

from reference_plugins import host_device


pytestmark = pytest.mark.kernel

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
WITH_CHECK = VERSIONS[4:]
NO_SELECTOR = 'specify either "device", "hwaddr", "kernelpath" or "pciBusID"'


@pytest.fixture
def host(machine: Machine) -> Netns:
    return host_with_device(machine)


@pytest.fixture
def sysfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /sys of its own, with nothing in it."""
    root = tmp_path / "sys"
    monkeypatch.setattr(host_device, "_PCI", str(root / "bus/pci/devices"))
    monkeypatch.setattr(host_device, "_AUXILIARY", str(root / "bus/auxiliary/devices"))
    monkeypatch.setattr(host_device, "_DEVICES", f"{root}/devices/")
    return root


def pci(
    sysfs: Path, address: str, *links: str, driver: str = "mlx5_core", within: str = ""
) -> None:
    place = sysfs / "devices/pci0000:00" / address
    for port, name in enumerate(links):
        net = place / within / "net" / name
        net.mkdir(parents=True)
        (net / "dev_port").write_text(f"{port}\n")
    place.mkdir(parents=True, exist_ok=True)
    if driver:
        (sysfs / "drivers" / driver).mkdir(parents=True, exist_ok=True)
        (place / "driver").symlink_to(sysfs / "drivers" / driver)
    bus = sysfs / "bus/pci/devices"
    bus.mkdir(parents=True, exist_ok=True)
    (bus / address).symlink_to(place)


@pytest.mark.parametrize(
    "keys",
    [
        {"device": None, "hwaddr": MAC},
        {"device": None, "hwaddr": MAC.upper().replace(":", "-")},
        {"device": "ens5", "hwaddr": "02:00:00:00:00:01"},
    ],
)
@pytest.mark.usefixtures("host")
def test_other_ways_to_say_which(machine: Machine, container: Netns, keys: dict[str, Any]) -> None:
    """Precedence: device before hwaddr."""
    machine.host.ip(f"link add vlan9 link ens5 address {MAC} type macvlan")
    machine.add(conf(machine, **keys), container)
    assert container.link("eth0")["ifalias"] == "ens5"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        *(({"device": None, "version": version}, NO_SELECTOR) for version in VERSIONS),
        ({"device": "nope"}, '"nope" not found'),
        ({"device": None, "hwaddr": "02:00:00:00:00:01"}, "02:00:00:00:00:01"),
        ({"device": None, "hwaddr": "nonsense"}, "nonsense"),
        ({"device": None, "kernelpath": "devices/pci"}, "must be an absolute path below"),
        (
            {"device": None, "kernelpath": "/sys/devices/../class/net"},
            "must be an absolute path",
        ),
        ({"device": None, "pciBusID": "../../devices"}, "must be the name of a device"),
        ({"device": None, "pciBusID": "0000:99:00.0"}, "0000:99:00.0"),
        (
            {"runtimeConfig": {"deviceID": "0000:99:00.0"}},
            "runtime config DeviceID 0000:99:00.0 not found or unsupported",
        ),
        # W-HD-3: in Go a hidden key makes ADD succeed without moving anything.
        ({"device": None, "dpdkMode": True}, NO_SELECTOR),
    ],
)
def test_devices_that_are_not_there(
    machine: Machine, host: Netns, container: Netns, keys: dict[str, Any], message: str
) -> None:
    """T: no selector -> exact error."""
    before = device(host)
    out = machine.call("ADD", conf(machine, SUBNET, **keys), container)

    assert message in out.error
    assert device(host) == before
    assert machine.reservations() == set()


@pytest.mark.parametrize(
    "keys",
    [
        {"pciBusID": "0000:00:1f.6"},
        {"runtimeConfig": {"deviceID": "0000:00:1f.6"}},
        {"device": "wire", "runtimeConfig": {"deviceID": "0000:00:1f.6"}},
    ],
)
@pytest.mark.parametrize("within", ["", "virtio3"])
@pytest.mark.usefixtures("host")
def test_pci_device(
    machine: Machine, container: Netns, sysfs: Path, keys: dict[str, Any], within: str
) -> None:
    """Of two ports the first; W-HD-5: deviceID wins over device."""
    pci(sysfs, "0000:00:1f.6", "ens5", "another", within=within)
    cfg = conf(machine, SUBNET, version="1.1.0", **{"device": None, **keys})
    result = machine.add(cfg, container)

    assert result["interfaces"][0]["pciID"] == "0000:00:1f.6"
    assert container.link("eth0")["ifalias"] == "ens5"
    machine.check(cfg, container, result)
    for each in (sysfs / "bus").rglob("*"):
        if each.is_symlink():
            each.unlink()  # W-HD-4: an unplugged device is in the way of DEL
    machine.delete({**cfg, "runtimeConfig": {}}, container)
    assert "ens5" in machine.host.links()


def test_kernel_path(machine: Machine, host: Netns, container: Netns, sysfs: Path) -> None:
    pci(sysfs, "0000:00:1f.6", "ens5")
    assert "ens5" in host.links()
    path = str(sysfs / "devices/pci0000:00/0000:00:1f.6")
    machine.add(conf(machine, device=None, kernelpath=path), container)
    assert container.link("eth0")["ifalias"] == "ens5"


@pytest.mark.parametrize("keys", [{"hwaddr": MAC}, {}])
@pytest.mark.parametrize("device_id", [False, True])
def test_which_selector_wins(
    machine: Machine, container: Netns, sysfs: Path, keys: dict[str, Any], device_id: bool
) -> None:
    """3.6: hwaddr > kernelpath > pciBusID; W-HD-5: deviceID wins over each."""
    machine.host.ip(f"link add by-mac address {MAC} type veth peer name by-path")
    machine.host.ip("link add by-bus type veth peer name by-id")
    for number, name in enumerate(("by-path", "by-bus", "by-id")):
        pci(sysfs, f"0000:00:0{number}.0", name)
    keys = {"kernelpath": str(sysfs / "devices/pci0000:00/0000:00:00.0"), **keys}
    keys |= {"runtimeConfig": {"deviceID": "0000:00:02.0"}} if device_id else {}
    machine.add(conf(machine, device=None, pciBusID="0000:00:01.0", **keys), container)

    expected = "by-id" if device_id else "by-mac" if "hwaddr" in keys else "by-path"
    assert container.link("eth0")["ifalias"] == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_auxiliary_device(
    machine: Machine, host: Netns, container: Netns, sysfs: Path, version: str
) -> None:
    """T: auxiliary device by runtimeConfig.deviceID."""
    assert "ens5" in host.links()
    place = sysfs / "bus/auxiliary/devices/mlx5_core.sf.4"
    (place / "net/ens5").mkdir(parents=True)
    keys = {"version": version, "runtimeConfig": {"deviceID": "mlx5_core.sf.4"}}
    cfg = conf(machine, SUBNET, device=None, **keys)
    result = machine.add(cfg, container)

    assert container.link("eth0")["ifalias"] == "ens5"
    if version in WITH_CHECK:
        machine.check(cfg, container, result)
    machine.delete(cfg, container)
    assert "ens5" in host.links()


@pytest.mark.parametrize(
    ("version", "driver"),
    [
        *((version, "vfio-pci") for version in VERSIONS),
        *(("1.1.0", driver) for driver in ("uio_pci_generic", "igb_uio")),
    ],
)
@pytest.mark.parametrize("key", ["pciBusID", "deviceID"])
def test_dpdk(  # noqa: PLR0917  # a table with two axes
    machine: Machine, container: Netns, sysfs: Path, version: str, driver: str, key: str
) -> None:
    """T: DPDK (fake sysfs) with static IPAM ADD/CHECK/DEL: no MAC in the result."""
    pci(sysfs, "0000:00:1f.6", driver=driver)
    said: dict[str, Any] = {"pciBusID": "0000:00:1f.6"}
    if key == "deviceID":
        said = {"runtimeConfig": {"deviceID": "0000:00:1f.6"}}
    dns = {"nameservers": ["192.0.2.53"]}
    cfg = conf(machine, version=version, device=None, dns=dns, **said)
    cfg["ipam"] = {"type": "static", "addresses": [{"address": "10.1.0.5/24"}]}
    result = machine.add(cfg, container)

    assert result["dns"] == dns
    if version in {"0.1.0", "0.2.0"}:
        assert result["ip4"] == {"ip": "10.1.0.5/24"}
    else:
        # Callers compare the interface whole, and pciID came with 1.1.0.
        of_110 = {"pciID": "0000:00:1f.6"} if version == "1.1.0" else {}
        assert result["interfaces"] == [{"name": "eth0", "sandbox": container.path, **of_110}]
        of_old = {} if version in {"1.0.0", "1.1.0"} else {"version": "4"}
        assert result["ips"] == [{**of_old, "address": "10.1.0.5/24", "interface": 0}]
    assert set(container.links()) == {"lo"}
    if version in WITH_CHECK:
        machine.check(cfg, container, result)
    machine.delete(cfg, container)
    if (version, key) == ("1.1.0", "pciBusID"):
        assert machine.call("STATUS", cfg).code == 0


def test_dpdk_without_ipam(machine: Machine, container: Netns, sysfs: Path) -> None:
    """3.6: the result names the device, and that is all."""
    pci(sysfs, "0000:00:1f.6", driver="vfio-pci")
    cfg = conf(machine, device=None, pciBusID="0000:00:1f.6")
    result = machine.add(cfg, container)

    assert result == {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0", "sandbox": container.path}],
    }
    machine.check(cfg, container, result)
    machine.delete(cfg, container)


def test_a_device_without_driver(machine: Machine, container: Netns, sysfs: Path) -> None:
    """W-HD-4: a driver that is not bound is named by ADD, and in the way of nothing else."""
    pci(sysfs, "0000:00:1f.6", driver="")
    cfg = conf(machine, device=None, pciBusID="0000:00:1f.6")
    error = machine.call("ADD", cfg, container).error

    assert "failed to find host device: 0000:00:1f.6 has no network interface" in error
    assert "driver is missing" in error
    machine.delete(cfg, container)
