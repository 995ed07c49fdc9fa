"""Give containers a VLAN subinterface of one of the host's interfaces."""

from __future__ import annotations

import attrs

import cnisdk
from cnisdk import errors, on
from reference_plugins import _master


_LARGEST_ID = 4094


def _vlan_id(_: object, _field: object, value: int) -> None:
    if not 0 <= value <= _LARGEST_ID:
        raise ValueError(f"invalid VLAN ID {value} (must be between 0 and {_LARGEST_ID} inclusive)")


@cnisdk.config
class VlanConf(_master.MasterConf):
    """Configuration of the vlan plugin."""

    vlan_id: int | None = attrs.field(default=None, validator=attrs.validators.optional(_vlan_id))
    """VLAN id, 0 to 4094; 0 when it is absent, which is logged."""

    def __attrs_post_init__(self) -> None:
        if not self.master:
            raise ValueError(
                '"master" field is required. It specifies the host interface name to create the VLAN for'
            )


class Vlan(cnisdk.Plugin[VlanConf]):
    """Give containers a VLAN subinterface of one of the host's interfaces."""

    @on.add
    def attach(self, op: cnisdk.Add[VlanConf]) -> cnisdk.Result:
        """Make the subinterface in the container, ask IPAM, configure it."""
        cfg = op.config
        if cfg.vlan_id is None:  # W-VL-3: Go takes 0 in silence
            op.log.warning("vlanId is not given, 0 is taken", master=cfg.master)
        made = _master.master_netns(op).add_vlan(
            op.ifname, master=cfg.master, vlan_id=cfg.vlan_id or 0, into=op.netns, mtu=cfg.mtu
        )
        return op.configured(made)

    @on.delete
    def detach(self, op: cnisdk.Del[VlanConf]) -> None:
        """Remove the subinterface; W-VL-1: the master need not be there."""
        if op.netns is not None:
            op.netns.remove_interface(op.ifname, kind="vlan")

    @on.check
    def verify(self, op: cnisdk.Check[VlanConf]) -> None:
        """Compare the interface, its VLAN id and its master with the configuration."""
        cfg, link = op.config, op.verified("vlan", mtu=op.config.mtu)
        if link.vlan_id != (cfg.vlan_id or 0):
            raise errors.CniError(
                f'interface "{op.ifname}": VLAN id is {link.vlan_id}, not {cfg.vlan_id or 0}'
            )
        _master.expect_same(op, link)

    @on.status
    def ready(self, op: cnisdk.Status[VlanConf]) -> None:
        """Answer 50 when the master does not exist."""
        _master.expect_available(op, needs_rx_handler=False)
