"""Assign the addresses written in the configuration or asked for by the runtime."""

from __future__ import annotations

import cnisdk
from cnisdk import errors, on, versions


_NO_ENTRY = "an entry in the 'ips' field is NOT in CIDR notation, got: '{}'"


@cnisdk.config
class StaticAddress:
    """One entry of ``addresses``."""

    address: cnisdk.IpInterface = cnisdk.key(
        refusal="the 'address' field is expected to be in CIDR notation, got: '{}'"
    )
    """Address in CIDR notation."""
    gateway: cnisdk.IpAddress | None = None
    """Gateway of its subnet."""


@cnisdk.config
class StaticConf(cnisdk.IpamConf):
    """The ``ipam`` section of static."""

    addresses: tuple[StaticAddress, ...] = ()
    """The addresses to assign."""
    routes: tuple[cnisdk.Route, ...] = ()
    """Routes for the result, as they are."""
    dns: cnisdk.Dns = cnisdk.Dns()
    """DNS settings for the result, as they are."""
    arg_ip: tuple[cnisdk.IpInterface, ...] = cnisdk.arg(
        "IP",
        default=(),
        refusal="the 'ip' field is expected to be in CIDR notation, got: '{}'",
        description="Further addresses in CIDR notation.",
    )
    arg_gateway: tuple[cnisdk.IpAddress, ...] = cnisdk.arg(
        "GATEWAY",
        default=(),
        refusal="invalid gateway address: {}",
        description="Gateways for the addresses in whose subnet they are.",
    )
    arg_ips: tuple[cnisdk.IpInterface, ...] = cnisdk.arg(
        "ips",
        default=(),
        refusal=_NO_ENTRY,
        description="Addresses in CIDR notation that replace the configured ones.",
    )
    runtime_ips: tuple[cnisdk.IpInterface, ...] = cnisdk.capability(
        "ips",
        default=(),
        refusal=_NO_ENTRY,
        description="Addresses in CIDR notation that replace all others.",
    )

    def ips(self) -> list[cnisdk.Ip]:
        """The addresses to assign, those of the most specific input."""
        if replacing := self.runtime_ips or self.arg_ips:
            return [cnisdk.Ip(address) for address in replacing]
        ips = [(each.address, each.gateway) for each in self.addresses]
        ips += [(address, None) for address in self.arg_ip]
        return [cnisdk.Ip(address, own or self._gateway(address)) for address, own in ips]

    def _gateway(self, address: cnisdk.IpInterface) -> cnisdk.IpAddress | None:
        """The last of the gateways in the subnet of an address."""
        return next((gw for gw in reversed(self.arg_gateway) if gw in address.network), None)


class Static(cnisdk.IpamPlugin[StaticConf], stateless=True):
    """Assign the addresses written in the configuration or asked for by the runtime."""

    @on.add
    def assign(self, op: cnisdk.Add[StaticConf]) -> cnisdk.Result:
        """Answer with the configured addresses; nothing is kept."""
        cfg, ips = op.config, op.config.ips()
        if not ips:
            raise errors.InvalidConfig(
                "ipam.addresses: no addresses to assign",
                details="give addresses in the configuration, in CNI_ARGS IP, in args.cni.ips, or by "
                "the capability ips",
            )
        versions.refuse_many_addresses(op.network.cni_version, [ip.version for ip in ips])
        return cnisdk.Result(ips=tuple(ips), routes=cfg.routes, dns=cfg.dns)

    @on.delete
    def forget(self, op: cnisdk.Del[StaticConf]) -> None:
        """Nothing was kept, so there is nothing to remove."""

    @on.check
    def verify(self, op: cnisdk.Check[StaticConf]) -> None:
        """Every configured address must be in prevResult, with its gateway."""
        op.prev_result.expect_ips(op.config.ips(), on=op.ifname)
