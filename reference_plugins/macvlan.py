"""Give containers an interface with a MAC address of its own on one of the host's."""

from __future__ import annotations

import attrs

import cnisdk
from cnisdk import errors, on, validators
from reference_plugins import _master


_MODES = ("bridge", "private", "vepa", "passthru")


def _mode(_: object, _field: object, value: str) -> None:
    if value and value not in _MODES:
        raise ValueError(f'unknown macvlan mode: "{value}", known are {", ".join(_MODES)}')


@cnisdk.config
class MacvlanConf(_master.MasterConf):
    """Configuration of the macvlan plugin."""

    mode: str = attrs.field(default="bridge", validator=_mode)
    """bridge, private, vepa or passthru."""
    bcqueuelen: int = attrs.field(
        default=0, validator=[attrs.validators.ge(0), attrs.validators.lt(2**32)]
    )
    """Length of the master's queue for broadcasts, in packets; 0 for the kernel's default."""
    mac: str | None = attrs.field(default=None, validator=validators.mac)
    """Hardware address of the container's interface."""
    requested_mac: str | None = cnisdk.capability(
        "mac",
        arg="MAC",
        default=None,
        validator=validators.mac,
        description="Hardware address the runtime asks for; wins over the key mac.",
    )


class Macvlan(cnisdk.Plugin[MacvlanConf]):
    """Give containers an interface with a MAC address of its own on one of the host's."""

    @on.add
    def attach(self, op: cnisdk.Add[MacvlanConf]) -> cnisdk.Result:
        """Make the macvlan in the container, ask IPAM, configure it."""
        cfg, netns = op.config, _master.master_netns(op)
        made = netns.add_macvlan(
            op.ifname,
            master=cfg.master or netns.default_interface(),
            into=op.netns,
            mode=cfg.mode or _MODES[0],
            mac=cfg.requested_mac or cfg.mac,
            mtu=cfg.mtu,
            bcqueuelen=cfg.bcqueuelen,
        )
        return op.configured(made)

    @on.delete
    def detach(self, op: cnisdk.Del[MacvlanConf]) -> None:
        """Remove the macvlan; nothing of it is on the host."""
        if op.netns is not None:
            op.netns.remove_interface(op.ifname, kind="macvlan")

    @on.check
    def verify(self, op: cnisdk.Check[MacvlanConf]) -> None:
        """Compare the interface, its mode and its master with the configuration."""
        link = op.verified("macvlan")
        wanted = op.config.mode or _MODES[0]
        if link.mode != wanted:
            raise errors.CniError(
                f"container macvlan mode {link.mode} does not match expected value: {wanted}"
            )
        queue = op.config.bcqueuelen
        if queue and link.bcqueuelen and link.bcqueuelen != queue:
            raise errors.CniError(
                f'macvlan "{op.ifname}": bcqueuelen is {link.bcqueuelen}, not {queue}'
            )
        _master.expect_same(op, link)

    @on.status
    def ready(self, op: cnisdk.Status[MacvlanConf]) -> None:
        """Answer 50 when the master does not exist."""
        _master.expect_available(op, needs_rx_handler=True)
