"""Put an interface that an earlier plugin has made into a VRF of the container."""

from __future__ import annotations

import attrs

import cnisdk
from cnisdk import errors, on, validators, versions


_CLAIMS = cnisdk.Claims("vrf")


@cnisdk.config
class VrfConf(cnisdk.NetConf):
    """Configuration of the vrf plugin."""

    vrf_name: str = cnisdk.key("vrfname", default="", validator=validators.optional_ifname)
    """The VRF; made when it is absent, removed with its last interface."""
    table: int = attrs.field(
        default=0, validator=[attrs.validators.ge(0), attrs.validators.lt(2**32)]
    )
    """Routing table of the VRF; 0 for a free one."""

    @property
    def vrf(self) -> str:
        """The VRF; all verbs but DEL have to know it."""
        if not self.vrf_name:
            raise errors.InvalidConfig(
                "configuration is expected to have a valid vrf name",
                hint='vrfname: required, but not given; for example {"type": "vrf", "vrfname": "blue"}',
            )
        return self.vrf_name


class Vrf(cnisdk.ChainedPlugin[VrfConf], supported_versions=versions.since("0.3.1")):
    """Put an interface that an earlier plugin has made into a VRF of the container."""

    @on.add
    def attach(self, op: cnisdk.ChainedAdd[VrfConf]) -> cnisdk.Result:
        """Make the VRF, move the interface and its routes into it."""
        vrf = op.config.vrf
        _CLAIMS.make(op)
        with op.netns.exclusively():
            op.netns.join_vrf(op.ifname, vrf, table=op.config.table)
        return op.prev_result

    @on.delete
    def detach(self, op: cnisdk.Del[VrfConf]) -> None:
        """Take the interface out of this VRF, if it is there and in it (W-VRF-1)."""
        if _CLAIMS.end(op) and op.netns is not None:
            with op.netns.exclusively():
                op.netns.leave_vrf(op.ifname, op.config.vrf_name)

    @on.check
    def verify(self, op: cnisdk.Check[VrfConf]) -> None:
        """Compare VRF, table and interface with the configuration, addresses and routes with prevResult."""
        cfg = op.config
        vrf = op.netns.expect_link(cfg.vrf, kind="vrf", up=True)
        if cfg.table and cfg.table != vrf.vrf_table:
            raise errors.CniError(
                f"VRF {vrf.name} in {op.netns} has the routing table {vrf.vrf_table}, not {cfg.table}"
            )
        if op.netns.expect_link(op.ifname).master != vrf.index:
            raise errors.CniError(
                f"failed to find {op.ifname} associated to vrf {vrf.name}",
                hint="delete the attachment and add it again",
            )
        if op.prev_result.interface(op.ifname, op.netns.path):
            op.netns.expect(op.prev_result, op.ifname)

    @on.gc
    def collect(self, op: cnisdk.Gc[VrfConf]) -> None:
        """Forget whose interfaces were moved, but for the valid attachments."""
        _CLAIMS.retain(op)

    @on.status
    def ready(self, op: cnisdk.Status[VrfConf]) -> None:
        """Answer 50 when the kernel has no VRFs."""
        _ = op.config.vrf
        problem = op.host.vrf_problem()
        if problem:
            raise errors.PluginNotAvailable(problem)
