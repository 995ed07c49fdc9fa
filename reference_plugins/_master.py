"""The link an interface is made on: macvlan, ipvlan and vlan have it in common."""

from __future__ import annotations

from typing import Any

import attrs

import cnisdk
from cnisdk import errors, validators


@cnisdk.config
class MasterConf(cnisdk.NetConf):
    """Keys of the plugins whose interface is on another one."""

    master: str = attrs.field(default="", validator=validators.existing_ifname)
    """The interface it is made on; by default that of the default route."""
    mtu: int = 0
    """MTU in bytes, at most the master's; 0 for the master's."""
    link_in_container: bool = False
    """The master is in the container, not on the host."""


def master_netns(op: cnisdk.Add[Any] | cnisdk.Check[Any]) -> cnisdk.Namespace:
    """The namespace the master is in."""
    return op.netns if op.config.link_in_container else op.host


def expect_same(op: cnisdk.Check[Any], link: cnisdk.Link) -> None:
    """Raise an error when the interface is on another master than the configured one."""
    # W-MV-3: which default route there is now says nothing about the interface.
    if op.config.master:
        master_netns(op).expect_on_top(link, op.config.master)


def expect_available(op: cnisdk.Status[Any], *, needs_rx_handler: bool) -> None:
    """Raise an error when there is no master on the host that will do (W-MV-4).

    Args:
        op: The call.
        needs_rx_handler: Whether the kernel hands all that comes in to what is made on the master. A link
            has one such receiver, and that of a port is its bridge.

    Raises:
        errors.PluginNotAvailable: code 50.
    """
    if op.config.link_in_container:
        return
    with op.prerequisite("master: "):
        master = op.host.expect_link(op.config.master or op.host.default_interface())
    if needs_rx_handler and master.is_bridge_port:
        raise errors.PluginNotAvailable(
            f'master: "{master.name}" is a port of a bridge, which receives what comes in',
            details="name the bridge or another interface with the key master",
        )
    if not 0 <= op.config.mtu <= master.mtu:
        raise errors.PluginNotAvailable(
            f'mtu: {op.config.mtu} is not in 0 to {master.mtu}, the MTU of the master "{master.name}"'
        )
