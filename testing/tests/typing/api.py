"""Author's code that must type-check under mypy --strict and pyright strict. Not meant to be run."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Interface, IPv6Interface, ip_network
from typing import assert_type

import attrs

import cnisdk
from cnisdk import capabilities, errors, on, versions


@cnisdk.config
class Trunk:
    """A nested section."""

    min_id: int
    max_id: int = 4094


@cnisdk.config(strict=True)
class BridgeConf(cnisdk.NetConf):
    """All ways to declare an input."""

    bridge: str = "cni0"
    mtu: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    is_default: bool = cnisdk.key("isDefaultGateway", default=False)
    trunks: tuple[Trunk, ...] = ()
    subnet: cnisdk.IpNetwork | None = None
    mac: str | None = cnisdk.capability("mac", arg="MAC", default=None)
    ports: tuple[capabilities.PortMapping, ...] = cnisdk.capability("portMappings", default=())
    address: str = cnisdk.arg("IP", default="")


class PoolExhausted(errors.CniError, code=101):
    """An error of one's own."""


class Bridge(cnisdk.Plugin[BridgeConf]):
    """The example of the readme, and what else an author may ask for."""

    @on.add
    def attach(self, op: cnisdk.Add[BridgeConf]) -> cnisdk.Result:
        """ADD."""
        res, cfg = op.result(), op.config
        assert_type(cfg, BridgeConf)
        assert_type(cfg.mac, str | None)
        assert_type(cfg.trunks, tuple[Trunk, ...])
        assert_type(cfg.subnet, cnisdk.IpNetwork | None)
        assert_type(cfg.ipam, cnisdk.IpamConf | None)
        assert_type(op.prev_result, cnisdk.Result | None)
        assert_type(op.netns, cnisdk.Namespace)
        assert_type(op.network, cnisdk.NetConf)
        assert_type(op.args, Mapping[str, str])
        assert_type(op.attachment.container_id, str)
        bridge = res.interface(op.host.ensure_bridge(cfg.bridge, mtu=cfg.mtu))
        veth = op.host.add_veth(peer=op.ifname, into=op.netns, mac=cfg.mac, master=bridge.name)
        assert_type(veth, cnisdk.Veth)
        res.interface(veth.host)
        eth = res.interface(veth.peer)
        assert_type(eth, cnisdk.Interface)
        if cfg.ipam is not None:
            res.adopt(op.ipam.add(), on=eth)
        op.on_rollback(print, "undone", end="")
        result = res.build()
        assert_type(result, cnisdk.Result)
        assert_type(result.ips[0].address, IPv4Interface | IPv6Interface)
        op.netns.configure(op.ifname, result)
        return result

    @on.delete
    def detach(self, op: cnisdk.Del[BridgeConf]) -> None:
        """DEL."""
        assert_type(op.netns, cnisdk.Namespace | None)
        assert_type(op.prev_result, cnisdk.Result | None)
        if op.netns is not None:
            op.netns.remove_link(op.ifname)

    @on.check
    def verify(self, op: cnisdk.Check[BridgeConf]) -> None:
        """CHECK."""
        assert_type(op.prev_result, cnisdk.Result)
        assert_type(op.prev_result.interfaces, tuple[cnisdk.Interface, ...])
        op.netns.expect(op.prev_result, op.ifname)

    @on.gc
    def sweep(self, op: cnisdk.Gc[BridgeConf]) -> None:
        """GC."""
        assert_type(op.valid_attachments, frozenset[cnisdk.Attachment])
        op.deadline.check()

    @on.status
    def report(self, op: cnisdk.Status[BridgeConf]) -> None:
        """STATUS."""
        with op.deadline.step("looking at the bridge"):
            if op.host.link(op.config.bridge) is None:
                raise errors.PluginNotAvailable("no bridge", details=op.config.bridge)


class Tuning(cnisdk.ChainedPlugin[BridgeConf], stateless=True):
    """A chained plugin: prevResult is never None."""

    @on.add
    def tune(self, op: cnisdk.ChainedAdd[BridgeConf]) -> cnisdk.Result:
        """ADD."""
        assert_type(op.prev_result, cnisdk.Result)
        return op.result().update(op.ifname, mtu=op.config.mtu).build()

    @on.delete
    def untune(self, op: cnisdk.Del[BridgeConf]) -> None:
        """DEL."""


@cnisdk.config
class PoolConf(cnisdk.IpamConf):
    """The `ipam` section."""

    subnet: cnisdk.IpInterface


class Pool(cnisdk.IpamPlugin[PoolConf], supported_versions=versions.ALL[2:]):
    """An IPAM plugin."""

    @on.add
    def allocate(self, op: cnisdk.Add[PoolConf]) -> cnisdk.Result:
        """ADD."""
        assert_type(op.config.subnet, IPv4Interface | IPv6Interface)
        if op.config.subnet.network == ip_network("10.0.0.0/8"):
            raise PoolExhausted("nothing left", details="of 10.0.0.0/8")
        return op.result().ip(op.config.subnet).dns(cnisdk.Dns(domain="example.org")).build()

    @on.delete
    def release(self, op: cnisdk.Del[PoolConf]) -> None:
        """DEL."""
        op.log.info("released", container=op.container_id)

    @on.gc
    def sweep(self, op: cnisdk.Gc[PoolConf]) -> None:
        """GC."""


# Made by keyword, in the field's name.
assert_type(BridgeConf(bridge="br0", is_default=True).bridge, str)
assert_type(Trunk(min_id=1), Trunk)
assert_type(PoolExhausted.code, int)
assert_type(Bridge.capabilities(), tuple[str, ...])
