"""host-device with devices by their place below /sys: PCI and auxiliary devices, kernel paths, DPDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lent_device import SUBNET, conf, host_with_device
from machine import Machine, Netns

from reference_plugins import host_device


pytestmark = pytest.mark.kernel


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


def test_auxiliary_device(machine: Machine, host: Netns, container: Netns, sysfs: Path) -> None:
    """T: auxiliary device by runtimeConfig.deviceID."""
    assert "ens5" in host.links()
    place = sysfs / "bus/auxiliary/devices/mlx5_core.sf.4"
    (place / "net/ens5").mkdir(parents=True)
    cfg = conf(machine, SUBNET, device=None, runtimeConfig={"deviceID": "mlx5_core.sf.4"})
    result = machine.add(cfg, container)

    assert container.link("eth0")["ifalias"] == "ens5"
    machine.check(cfg, container, result)
    machine.delete(cfg, container)
    assert "ens5" in host.links()


@pytest.mark.parametrize("driver", ["vfio-pci", "uio_pci_generic", "igb_uio"])
@pytest.mark.parametrize("key", ["pciBusID", "deviceID"])
def test_dpdk(machine: Machine, container: Netns, sysfs: Path, driver: str, key: str) -> None:
    """T: DPDK (fake sysfs) with static IPAM ADD/CHECK/DEL: no MAC in the result."""
    pci(sysfs, "0000:00:1f.6", driver=driver)
    said: dict[str, Any] = {"pciBusID": "0000:00:1f.6"}
    if key == "deviceID":
        said = {"runtimeConfig": {"deviceID": "0000:00:1f.6"}}
    cfg = conf(machine, version="1.1.0", device=None, **said)
    cfg["ipam"] = {"type": "static", "addresses": [{"address": "10.1.0.5/24"}]}
    result = machine.add(cfg, container)

    assert result["interfaces"] == [
        {"name": "eth0", "sandbox": container.path, "pciID": "0000:00:1f.6"}
    ]
    assert result["ips"] == [{"address": "10.1.0.5/24", "interface": 0}]
    assert set(container.links()) == {"lo"}
    machine.check(cfg, container, result)
    machine.delete(cfg, container)
    if key == "pciBusID":
        assert machine.call("STATUS", cfg).code == 0


def test_a_device_without_driver(machine: Machine, container: Netns, sysfs: Path) -> None:
    """W-HD-4: a driver that is not bound is named by ADD, and in the way of nothing else."""
    pci(sysfs, "0000:00:1f.6", driver="")
    cfg = conf(machine, device=None, pciBusID="0000:00:1f.6")
    error = machine.call("ADD", cfg, container).error

    assert "failed to find host device: 0000:00:1f.6 has no network interface" in error
    assert "driver is missing" in error
    machine.delete(cfg, container)
