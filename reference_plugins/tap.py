"""Give containers a tap device, for a virtual machine that runs in them."""

from __future__ import annotations

import os

import attrs

import cnisdk
from cnisdk import errors, on, validators


_TUN = "/dev/net/tun"
_SELINUX = "/sys/fs/selinux/enforce"
"""Exists only where SELinux is on."""
_IDS = attrs.validators.optional([attrs.validators.ge(0), attrs.validators.lt(2**32)])


@cnisdk.config
class TapConf(cnisdk.NetConf):
    """Configuration of the tap plugin."""

    multi_queue: bool = False
    """The device may be opened more than once, a queue each."""
    mtu: int = attrs.field(default=0, validator=validators.mtu)
    """MTU in bytes; 0 for the kernel's default."""
    mac: str | None = attrs.field(default=None, validator=validators.mac)
    """Hardware address of the device."""
    owner: int | None = attrs.field(default=None, validator=_IDS)
    """User id that may open the device."""
    group: int | None = attrs.field(default=None, validator=_IDS)
    """Group id that may open the device."""
    selinux_context: str = ""
    """SELinux context of the device; without effect where SELinux is off, refused where it is on."""
    bridge: str = attrs.field(default="", validator=validators.optional_ifname)
    """Bridge in the container the device becomes a port of."""
    requested_mac: str | None = cnisdk.capability(
        "mac",
        arg="MAC",
        default=None,
        validator=validators.mac,
        description="Hardware address the runtime asks for; wins over the key mac.",
    )


class Tap(cnisdk.Plugin[TapConf]):
    """Give containers a tap device, for a virtual machine that runs in them."""

    @on.add
    def attach(self, op: cnisdk.Add[TapConf]) -> cnisdk.Result:
        """Make the device in the container, ask IPAM, configure it."""
        cfg = op.config
        _refuse_selinux(cfg)
        made = op.host.add_tap(
            op.ifname,
            into=op.netns,
            mac=cfg.requested_mac or cfg.mac,
            mtu=cfg.mtu,
            master=cfg.bridge,
            owner=cfg.owner,
            group=cfg.group,
            multi_queue=cfg.multi_queue,
        )
        return op.configured(made, dad=False)  # who uses it is yet to come

    @on.delete
    def detach(self, op: cnisdk.Del[TapConf]) -> None:
        """Remove the device."""
        if op.netns is not None:
            op.netns.remove_interface(op.ifname, kind="tun")

    @on.check
    def verify(self, op: cnisdk.Check[TapConf]) -> None:
        """Compare the device, its owner and its bridge with the configuration (W-TAP-4)."""
        cfg, link = op.config, op.verified("tun")
        if link.mode == "tun":
            raise errors.CniError(f'"{op.ifname}" is a tun device, not a tap: it carries no frames')
        told = cfg.multi_queue if link.multi_queue is not None else None
        for key, wanted, found in (
            ("owner", cfg.owner, link.owner),
            ("group", cfg.group, link.group),
            ("multiQueue", told, link.multi_queue),
        ):
            if wanted is not None and wanted != found:
                raise errors.CniError(f'tap "{op.ifname}": {key} is {found}, not {wanted}')
        if cfg.bridge and link.master != op.netns.expect_link(cfg.bridge, kind="bridge").index:
            raise errors.CniError(f'tap "{op.ifname}" is not a port of the bridge "{cfg.bridge}"')

    @on.status
    def ready(self, op: cnisdk.Status[TapConf]) -> None:
        """Refuse what no ADD could do."""
        _refuse_selinux(op.config)
        if not os.path.exists(_TUN):
            raise errors.PluginNotAvailable(
                f"{_TUN} is not there", details="load the kernel module tun: modprobe tun"
            )


def _refuse_selinux(cfg: TapConf) -> None:
    if cfg.selinux_context and os.path.exists(_SELINUX):
        raise errors.UnsupportedField(
            f'selinuxContext: "{cfg.selinux_context}": SELinux contexts are not supported',
            details="remove the key; the device gets the context of the plugin",
        )
