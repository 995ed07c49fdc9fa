"""Author's mistakes. Both type checkers must report an error on each line marked `# BAD`, and nowhere else."""

from __future__ import annotations

import cnisdk
from cnisdk import errors, on


@cnisdk.config
class Conf(cnisdk.NetConf):
    """A configuration."""

    bridge: str = "cni0"
    mtu: int = 0
    mac: str | None = cnisdk.capability("mac", default=None)


class AddReturnsNothing(cnisdk.Plugin[Conf]):
    """ADD must return its result."""

    @on.add  # BAD
    def attach(self, op: cnisdk.Add[Conf]) -> None:
        """ADD."""


class DeleteTakesAdd(cnisdk.Plugin[Conf]):
    """Each verb has its own operation."""

    @on.delete  # BAD
    def detach(self, op: cnisdk.Add[Conf]) -> None:
        """DEL."""


class CheckReturnsText(cnisdk.Plugin[Conf]):
    """CHECK raises or returns nothing."""

    @on.check  # BAD
    def verify(self, op: cnisdk.Check[Conf]) -> str:
        """CHECK."""
        return op.ifname


class TooManyParameters(cnisdk.Plugin[Conf]):
    """A handler takes the operation alone."""

    @on.gc  # BAD
    def sweep(self, op: cnisdk.Gc[Conf], extra: int) -> None:
        """GC."""


class WrongConfiguration(cnisdk.Plugin[int]):  # BAD
    """Configurations subclass NetConf."""


class WrongSection(cnisdk.IpamPlugin[Conf]):  # BAD
    """An IPAM plugin's is the section."""


class Uses(cnisdk.Plugin[Conf]):
    """Handlers that take too much for granted."""

    @on.add
    def attach(self, op: cnisdk.Add[Conf]) -> cnisdk.Result:
        """ADD."""
        op.config.brigde  # BAD
        op.config.bridge = "br1"  # BAD
        op.config.mac.lower()  # BAD
        op.config.ipam.type  # BAD
        op.prev_result.ips  # BAD
        op.valid_attachments  # BAD
        op.on_rollback(len)  # BAD
        op.result().ip("10.0.0.1/8", on="eth0")  # BAD
        return op.result()  # BAD

    @on.delete
    def detach(self, op: cnisdk.Del[Conf]) -> None:
        """DEL."""
        op.netns.remove_link(op.ifname)  # BAD
        op.prev_result.ips  # BAD
        op.result()  # BAD

    @on.check
    def verify(self, op: cnisdk.Check[Conf]) -> None:
        """CHECK."""
        assert op.prev_result.ips  # fine: never None
        op.netns.expect(op.prev_result, op.ifname)

    @on.gc
    def sweep(self, op: cnisdk.Gc[Conf]) -> None:
        """GC."""
        op.netns  # BAD
        op.ifname  # BAD


Conf("br0")  # BAD
Conf(bridge=5)  # BAD
Conf(brigde="br0")  # BAD
cnisdk.Interface("eth0").name = "eth1"  # BAD
cnisdk.Result(ips=[])  # BAD
errors.CniError(msg="by keyword")  # BAD
errors.CniError("x", "details by position")  # BAD
cnisdk.Ip(address="10.0.0.1/8")  # BAD
