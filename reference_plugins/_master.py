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


def space(op: cnisdk.Add[Any] | cnisdk.Check[Any]) -> cnisdk.Namespace:
    """The namespace the master is in."""
    return op.netns if op.config.link_in_container else op.host


def expect_same(op: cnisdk.Check[Any], link: cnisdk.Link) -> None:
    """Raise an error when the interface is on another master than the configured one."""
    # W-MV-3: which default route there is now says nothing about the interface.
    if op.config.master:
        space(op).expect_on_top(link, op.config.master)


def expect_available(op: cnisdk.Status[Any], *, takes_all: bool) -> None:
    """Raise an error when there is no master on the host that will do (W-MV-4).

    Args:
        op: The call.
        takes_all: Whether the interfaces on the master take what comes in, as a bridge does from its ports.

    Raises:
        errors.PluginNotAvailable: code 50.
    """
    if op.config.link_in_container:
        return
    try:
        master = op.host.expect_link(op.config.master or op.host.default_interface())
    except errors.CniError as failure:
        raise errors.PluginNotAvailable(
            f"master: {failure.msg}", details=failure.details
        ) from failure
    if takes_all and master.forwards is not None:
        raise errors.PluginNotAvailable(
            f'master: "{master.name}" is a port of a bridge, which takes what comes in',
            details="take the bridge or another interface as master",
        )
    if op.config.mtu > master.mtu:
        raise errors.PluginNotAvailable(
            f'mtu: {op.config.mtu} is more than the {master.mtu} of the master "{master.name}"'
        )
