"""Bring up the loopback interface of a container."""

from __future__ import annotations

import attrs

import cnisdk
from cnisdk import errors, on


_LO = "lo"


@cnisdk.config
class LoopbackConf(cnisdk.NetConf):
    """Configuration of the loopback plugin: no keys beyond the common ones, and no IPAM."""

    ipam: None = attrs.field(default=None, init=False)


class Loopback(cnisdk.Plugin[LoopbackConf]):
    """Bring up the loopback interface of a container."""

    @on.add
    def attach(self, op: cnisdk.Add[LoopbackConf]) -> cnisdk.Result:
        """Set lo up; the interface is always lo, whatever CNI_IFNAME says."""
        if not op.netns.expect_link(_LO).up:
            before = op.netns.addresses(_LO)
            op.on_rollback(self._take_down, op.netns, op.attachment, before)
            # The tag says on whose behalf lo is up, so that DEL does not take it from others.
            op.netns.set_alias(_LO, op.attachment.owner_tag)
            op.netns.set_up(_LO)
        addresses = op.netns.addresses(_LO)
        for address in addresses:
            if not (address.ip.is_loopback or address.ip.is_link_local):
                raise errors.CniError(
                    f'loopback interface found with non-loopback address "{address}"'
                )
        if op.prev_result is not None:
            return op.prev_result
        res = op.result()
        lo = res.interface(op.netns.interface(_LO))
        firsts = {each.version: each for each in reversed(addresses)}
        for _, first in sorted(firsts.items()):
            res.ip(first, on=lo)
        return res.build()

    @on.delete
    def detach(self, op: cnisdk.Del[LoopbackConf]) -> None:
        """Set lo down, if it was this attachment that set it up."""
        if op.netns is not None:
            self._take_down(op.netns, op.attachment)

    @on.check
    def verify(self, op: cnisdk.Check[LoopbackConf]) -> None:
        """Check that lo is up and has the addresses ADD reported."""
        op.netns.expect_link(_LO, up=True)
        for ip in op.prev_result.ips_of(_LO, op.netns.path):
            op.netns.expect_address(_LO, ip.address)

    @staticmethod
    def _take_down(
        netns: cnisdk.Namespace,
        attachment: cnisdk.Attachment,
        before: list[cnisdk.IpInterface] | None = None,
    ) -> None:
        lo = netns.link(_LO)
        if lo is None or not attachment.owns(lo.alias):
            return
        netns.set_down(_LO)
        netns.set_alias(_LO, "")
        # The kernel leaves lo the IPv4 address it gave it; so does DEL, as in Go.
        if before is not None:
            for address in set(netns.addresses(_LO)) - set(before):
                netns.remove_address(_LO, address)
