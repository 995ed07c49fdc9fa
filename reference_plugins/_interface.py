"""What the plugins that make one interface, wholly in the container, have in common."""

from __future__ import annotations

from typing import Any

import cnisdk
from cnisdk import errors


def addresses(op: cnisdk.Add[Any]) -> cnisdk.Result:
    """What IPAM gives; at least one address.

    Raises:
        errors.CniError: IPAM gave no address.
    """
    given = op.ipam.add()
    if not given.ips:
        raise errors.CniError("IPAM plugin returned missing IP config")
    return given


def configured(
    op: cnisdk.Add[Any],
    made: cnisdk.Interface,
    *,
    builder: cnisdk.ResultBuilder | None = None,
    dad: bool = True,
) -> cnisdk.Result:
    """Ask IPAM, where there is one, and set the new interface up with what it gives.

    Args:
        op: The call.
        made: The interface.
        builder: A result that has been begun.
        dad: Ask the neighbours whether an IPv6 address is free.
    """
    res = op.result() if builder is None else builder
    eth = res.interface(made)
    if op.config.ipam is not None:
        if op.config.ipam.type == "dhcp":  # its packets go through the interface
            op.netns.set_up(op.ifname)
        res.adopt(addresses(op), on=eth)
    # W-MV-2: IPAM's settings stay unless the configuration has its own.
    result = res.dns(op.config.dns).build()
    op.netns.configure(op.ifname, result, dad=dad)
    return result


def verified(
    op: cnisdk.Check[Any], kind: str, *, by_gateway: bool = False, mtu: int = 0
) -> cnisdk.Link:
    """The interface in the container, once it is as ADD had made it.

    Args:
        op: The call.
        kind: The kind of link.
        by_gateway: As for `cnisdk.Namespace.configure`.
        mtu: The configured one, for results that do not say what it is by now.
    """
    link = op.netns.expect_link(op.ifname, kind=kind)
    op.netns.expect(op.prev_result, op.ifname, by_gateway=by_gateway)
    known = op.prev_result.interface(op.ifname, op.netns.path)
    if mtu and not (known and known.mtu):
        op.netns.expect_link(op.ifname, mtu=mtu)
    return link
