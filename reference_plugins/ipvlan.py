"""Give containers an interface that shares the MAC address of one of the host's."""

from __future__ import annotations

import attrs

import cnisdk
from cnisdk import errors, on
from reference_plugins import _master


_MODES = ("l2", "l3", "l3s")


def _mode(_: object, _field: object, value: str) -> None:
    if value and value not in _MODES:
        raise ValueError(f'unknown ipvlan mode: "{value}", known are {", ".join(_MODES)}')


@cnisdk.config
class IpvlanConf(_master.MasterConf):
    """Configuration of the ipvlan plugin."""

    mode: str = attrs.field(default="l2", validator=_mode)
    """l2, l3 or l3s."""


class Ipvlan(cnisdk.Plugin[IpvlanConf]):
    """Give containers an interface that shares the MAC address of one of the host's."""

    @on.add
    def attach(self, op: cnisdk.Add[IpvlanConf]) -> cnisdk.Result:
        """Make the ipvlan in the container and give it IPAM's addresses, or those of the chain."""
        cfg, netns, prev = op.config, _master.master_netns(op), op.prev_result
        made = netns.add_ipvlan(
            op.ifname,
            master=cfg.master or _of_chain(prev) or netns.default_interface(),
            into=op.netns,
            mode=cfg.mode or _MODES[0],
            mtu=cfg.mtu,
        )
        if cfg.ipam is not None:
            return op.configured(made)
        if prev is None or not prev.ips:
            raise errors.InvalidConfig(
                "ipam.type: required, but not given",
                details="an ipvlan takes its addresses from IPAM or from the plugin before it",
            )
        # What the chain had prepared is this interface's from now on.
        builder = cnisdk.ResultBuilder()
        result = builder.adopt(prev, on=builder.interface(made)).dns(cfg.dns).build()
        op.netns.configure(op.ifname, result, dad=True)
        return result

    @on.delete
    def detach(self, op: cnisdk.Del[IpvlanConf]) -> None:
        """Remove the ipvlan; W-IV-3: neither master nor default route need be there."""
        if op.netns is not None:
            op.netns.remove_interface(op.ifname, kind="ipvlan")

    @on.check
    def verify(self, op: cnisdk.Check[IpvlanConf]) -> None:
        """Compare the interface, its mode and its master with the configuration."""
        link = op.verified("ipvlan")
        wanted = op.config.mode or _MODES[0]
        if link.mode != wanted:
            raise errors.CniError(
                f"container ipvlan mode {link.mode} does not match expected value: {wanted}"
            )
        _master.expect_same(op, link)

    @on.status
    def ready(self, op: cnisdk.Status[IpvlanConf]) -> None:
        """Answer 50 when the master does not exist; in a chain it is the earlier plugin's."""
        if op.config.master or op.config.ipam is not None:
            _master.expect_available(op, needs_rx_handler=True)


def _of_chain(prev: cnisdk.Result | None) -> str:
    """The single interface of prevResult."""
    if prev is None:
        return ""
    names = [each.name for each in prev.interfaces if each.name]
    if len(names) != 1:
        raise errors.InvalidConfig(
            "chained master failure. PrevResult lacks a single named interface",
            details=f"it has {', '.join(names) or 'none'}; name one with the key master",
        )
    return names[0]
