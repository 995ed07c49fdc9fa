"""Give containers a dummy interface: addresses without a wire."""

from __future__ import annotations

import attrs

import cnisdk
from cnisdk import on, validators


@cnisdk.config
class DummyConf(cnisdk.NetConf):
    """Configuration of the dummy plugin; IPAM is required."""

    mtu: int = attrs.field(default=0, validator=validators.mtu)
    """MTU in bytes; 0 for the kernel's default."""
    mac: str | None = cnisdk.capability(
        "mac",
        arg="MAC",
        default=None,
        validator=validators.mac,
        description="Hardware address of the interface.",
    )

    def __attrs_post_init__(self) -> None:
        if self.ipam is None:
            raise ValueError("dummy interface requires an IPAM configuration")


class Dummy(cnisdk.Plugin[DummyConf]):
    """Give containers a dummy interface: addresses without a wire."""

    @on.add
    def attach(self, op: cnisdk.Add[DummyConf]) -> cnisdk.Result:
        """Make the interface, ask IPAM, configure it."""
        made = op.host.add_dummy(op.ifname, into=op.netns, mac=op.config.mac, mtu=op.config.mtu)
        return op.configured(made)

    @on.delete
    def detach(self, op: cnisdk.Del[DummyConf]) -> None:
        """Remove the interface."""
        if op.netns is not None:
            op.netns.remove_interface(op.ifname, kind="dummy")

    @on.check
    def verify(self, op: cnisdk.Check[DummyConf]) -> None:
        """Compare the interface with the result, routes included."""
        op.verified("dummy")
