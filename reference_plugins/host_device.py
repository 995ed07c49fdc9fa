"""Move a device of the host into a container, and back with DEL."""

from __future__ import annotations

import os
from typing import Any

import attrs

import cnisdk
from cnisdk import errors, on, validators, versions


_LOANS = cnisdk.Loans("host-device")
_PCI, _AUXILIARY = "/sys/bus/pci/devices", "/sys/bus/auxiliary/devices"
_DEVICES = "/sys/devices/"
_USERSPACE_DRIVERS = {"vfio-pci", "uio_pci_generic", "igb_uio"}
"""With these the device has no interface; DPDK drives it from within the container."""


def _kernel_path(_: object, _field: object, value: str) -> None:
    if value and not os.path.normpath(value).startswith(_DEVICES):
        raise ValueError(f'must be an absolute path below {_DEVICES}, got "{value}"')


def _bus_id(_: object, _field: object, value: str) -> None:
    if "/" in value or value in {".", ".."}:
        raise ValueError(f'must be the name of a device such as 0000:00:1f.6, got "{value}"')


@cnisdk.config
class HostDeviceConf(cnisdk.NetConf):
    """Configuration of the host-device plugin; one key has to say which device."""

    device: str | None = attrs.field(
        default=None, validator=attrs.validators.optional(validators.existing_ifname)
    )
    """Name of the interface on the host."""
    hwaddr: str | None = attrs.field(default=None, validator=validators.mac)
    """Its hardware address."""
    kernelpath: str = attrs.field(default="", validator=_kernel_path)
    """The device's directory below /sys/devices/."""
    pci_bus_id: str = cnisdk.key("pciBusID", default="", validator=_bus_id)
    """The device's PCI address, for example 0000:00:1f.6."""
    device_id: str = cnisdk.capability(
        "deviceID",
        default="",
        validator=_bus_id,
        description="PCI address or auxiliary-bus device the runtime has chosen; wins over the keys.",
    )

    @property
    def selector(self) -> str:
        """The value that says which device; "" when there is none."""
        return (
            self.device_id or self.device or self.hwaddr or self.kernelpath or self.pci_bus_id or ""
        )


class HostDevice(cnisdk.Plugin[HostDeviceConf]):
    """Move a device of the host into a container, and back with DEL."""

    @on.add
    def attach(self, op: cnisdk.Add[HostDeviceConf]) -> cnisdk.Result:
        """Note what the device is like, move it under its new name, ask IPAM, configure it."""
        path = _directory(op)
        pci = os.path.basename(path) if path.startswith(_PCI) else ""
        if _is_in_userspace(op, path):
            res = op.result()
            made = cnisdk.Interface(op.ifname, sandbox=op.netns.path, pci_id=pci)
            made = res.interface(_as_known_to(op, made))
            if op.config.ipam is not None:
                res.adopt(op.ipam.add(needs_address=True), on=made)
            return res.dns(op.config.dns or None).build()
        link = op.host.expect_link(_name(op, path))
        lent = op.host.settings(link.name)
        _LOANS.keep(op, lent, op.config.selector)
        made = op.host.lend(lent, into=op.netns, rename=op.ifname)
        pci = link.parent if link.parent_bus == "pci" else pci
        return op.configured(_as_known_to(op, attrs.evolve(made, pci_id=pci)))

    @on.delete
    def detach(self, op: cnisdk.Del[HostDeviceConf]) -> None:
        """Bring the device back, wherever it is; IPAM is not kept waiting by it (W-HD-1, W-HD-4)."""
        _LOANS.end(op)

    @on.check
    def verify(self, op: cnisdk.Check[HostDeviceConf]) -> None:
        """Compare the interface with the result, and look for the name to give back."""
        if _is_in_userspace(op, _directory(op)):
            return
        link = op.netns.expect_link(op.ifname)
        op.netns.expect(op.prev_result, op.ifname)
        lent = _LOANS.of(op)
        wanted = lent.name if lent else op.config.device or link.alias
        if link.alias != wanted or not wanted:
            raise errors.CniError(
                f'interface "{op.ifname}" in {op.netns}: alias is "{link.alias}", not "{wanted}"',
                details="it is the name that DEL gives back",
            )

    @on.gc
    def collect(self, op: cnisdk.Gc[HostDeviceConf]) -> None:
        """Bring the devices of attachments back that are not valid any more."""
        _LOANS.retain(op)

    @on.status
    def ready(self, op: cnisdk.Status[HostDeviceConf]) -> None:
        """Answer 50 when the device is neither on the host nor lent."""
        cfg = op.config
        # Without any key the runtime will choose a device for each container.
        if _LOANS.is_lent(op, cfg.selector) or (not cfg.selector and cfg.device is None):
            return
        with op.prerequisite():
            path = _directory(op)
            if not _is_in_userspace(op, path):
                op.host.expect_link(_name(op, path))


def _as_known_to(op: cnisdk.Add[Any], made: cnisdk.Interface) -> cnisdk.Interface:
    """Callers compare the device in older results whole, and mtu and pciID came with 1.1.0."""
    if versions.at_least(op.network.cni_version, "1.1.0"):
        return made
    return attrs.evolve(made, mtu=0, pci_id="")


def _directory(op: cnisdk.Add[Any] | cnisdk.Check[Any] | cnisdk.Status[Any]) -> str:
    """The device's directory below /sys; "" when it is chosen by name or hardware address."""
    cfg: HostDeviceConf = op.config
    if not cfg.selector:
        raise errors.InvalidConfig(
            'specify either "device", "hwaddr", "kernelpath" or "pciBusID"',
            hint="or enable the capability deviceID, for a runtime that chooses one",
        )
    if cfg.device_id:  # W-HD-5: what the runtime asks for wins over the keys
        for bus in (_PCI, _AUXILIARY):
            path = f"{bus}/{cfg.device_id}"
            if op.host.device_driver(path) is not None:
                return path
        raise errors.InvalidConfig(
            f"runtime config DeviceID {cfg.device_id} not found or unsupported",
            details=f"it is neither in {_PCI} nor in {_AUXILIARY}",
        )
    if cfg.device or cfg.hwaddr:
        return ""
    return cfg.kernelpath or f"{_PCI}/{cfg.pci_bus_id}"


def _is_in_userspace(
    op: cnisdk.Add[Any] | cnisdk.Check[Any] | cnisdk.Status[Any], path: str
) -> bool:
    return path.startswith(_PCI) and op.host.device_driver(path) in _USERSPACE_DRIVERS


def _name(op: cnisdk.Add[HostDeviceConf] | cnisdk.Status[HostDeviceConf], path: str) -> str:
    """The interface to move."""
    cfg = op.config
    if path:
        names = op.host.device_links(path)
        if not names:
            raise errors.CniError(
                f"failed to find host device: {cfg.selector} has no network interface on {op.host}",
                details=f"its driver is {op.host.device_driver(path) or 'missing'}",
            )
        return names[0]
    if cfg.device:
        return cfg.device
    link = op.host.link_by_mac(cfg.hwaddr or "")
    if link is None:
        raise errors.CniError(
            f"failed to find host device: no interface with hwaddr {cfg.hwaddr} on {op.host}"
        )
    return link.name
