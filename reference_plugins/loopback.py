"""Bring up the loopback interface of a container."""

from __future__ import annotations

import attrs

import cnisdk
from cnisdk import errors, on


@cnisdk.config
class LoopbackConf(cnisdk.NetConf):
    """Configuration of the loopback plugin: no keys beyond the common ones, and no IPAM."""

    ipam: None = attrs.field(default=None, init=False)


class Loopback(cnisdk.Plugin[LoopbackConf]):
    """Bring up the loopback interface of a container."""

    @on.add
    def attach(self, op: cnisdk.Add[LoopbackConf]) -> cnisdk.Result:
        """Set lo up; the interface is always lo, whatever CNI_IFNAME says."""
        if not op.netns.expect_link("lo").up:
            op.on_rollback(_remove_new, op.netns, op.netns.addresses("lo"))
            op.on_rollback(_take_down, op.netns, op.attachment)
            # The tag says on whose behalf lo is up, so that DEL does not take it from others.
            op.netns.set_alias("lo", op.attachment.owner_tag)
            op.netns.set_up("lo")
        addresses = op.netns.addresses("lo")
        bad = [each for each in addresses if not (each.ip.is_loopback or each.ip.is_link_local)]
        if bad:
            raise errors.CniError(
                f'loopback interface found with non-loopback address "{bad[0]}"',
                hint=f"remove it in the container: ip address del {bad[0]} dev lo",
            )
        if op.prev_result is not None:
            return op.prev_result
        res = op.result()
        lo = res.interface(op.netns.interface("lo"))
        firsts = {each.version: each for each in reversed(addresses)}
        for _, first in sorted(firsts.items()):
            res.ip(first, on=lo)
        return res.build()

    @on.delete
    def detach(self, op: cnisdk.Del[LoopbackConf]) -> None:
        """Set lo down, if it was this attachment that set it up."""
        if op.netns is not None:
            _take_down(op.netns, op.attachment)

    @on.check
    def verify(self, op: cnisdk.Check[LoopbackConf]) -> None:
        """Check that lo is up and has the addresses ADD reported."""
        op.netns.expect_link("lo", up=True)
        for ip in op.prev_result.ips_of("lo", op.netns.path):
            op.netns.expect_address("lo", ip.address)


def _take_down(netns: cnisdk.Namespace, attachment: cnisdk.Attachment) -> None:
    lo = netns.link("lo")
    if lo is not None and attachment.owns(lo.alias):
        netns.set_down("lo")
        netns.set_alias("lo", "")


def _remove_new(netns: cnisdk.Namespace, before: list[cnisdk.IpInterface]) -> None:
    """Undo of ADD alone: lo keeps 127.0.0.1 when it is set down, and DEL leaves it so, as Go's does."""
    for address in set(netns.addresses("lo")) - set(before):
        netns.remove_address("lo", address)
