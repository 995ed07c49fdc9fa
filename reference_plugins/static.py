"""Assign the addresses written in the configuration or asked for by the runtime."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_interface

import attrs

import cnisdk
from cnisdk import errors, on, versions


@cnisdk.config
class StaticAddress:
    """One entry of ``addresses``."""

    address: str
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
    dns: cnisdk.Dns | None = None
    """DNS settings for the result, as they are."""
    arg_ip: str = cnisdk.arg(
        "IP", default="", description="Further addresses in CIDR notation, separated by commas."
    )
    arg_gateway: str = cnisdk.arg(
        "GATEWAY",
        default="",
        description="Gateways, separated by commas, for the addresses in whose subnet they are.",
    )
    arg_ips: tuple[str, ...] = cnisdk.arg(
        "ips", default=(), description="Addresses that replace the configured ones."
    )
    runtime_ips: tuple[str, ...] = cnisdk.capability(
        "ips", default=(), description="Addresses that replace all others."
    )

    def ips(self) -> tuple[cnisdk.Ip, ...]:
        """The addresses to assign, those of the most specific input.

        Raises:
            errors.InvalidConfig: names what is no address, in the words of the Go plugin.
        """
        for source, texts in (("runtimeConfig", self.runtime_ips), ("args.cni", self.arg_ips)):
            if texts:
                what = "an entry in the 'ips' field is NOT"
                return tuple(
                    cnisdk.Ip(_cidr(text, what, f"{source}.ips[{index}]"))
                    for index, text in enumerate(texts)
                )
        gateways = [_gateway(text) for text in _split(self.arg_gateway)]
        found = [
            cnisdk.Ip(
                _cidr(
                    each.address,
                    "the 'address' field is expected to be",
                    f"ipam.addresses[{index}].address",
                ),
                each.gateway,
            )
            for index, each in enumerate(self.addresses)
        ]
        what = "the 'ip' field is expected to be"
        found += [cnisdk.Ip(_cidr(text, what, "CNI_ARGS IP")) for text in _split(self.arg_ip)]
        return tuple(_with_gateway(ip, gateways) for ip in found)


class Static(cnisdk.IpamPlugin[StaticConf], stateless=True):
    """Assign the addresses written in the configuration or asked for by the runtime."""

    @on.add
    def assign(self, op: cnisdk.Add[StaticConf]) -> cnisdk.Result:
        """Answer with the configured addresses; nothing is kept."""
        cfg = op.config
        ips = cfg.ips()
        _check_count(ips, op.network.cni_version)
        return cnisdk.Result(ips=ips, routes=cfg.routes, dns=cfg.dns or cnisdk.Dns())

    @on.delete
    def forget(self, op: cnisdk.Del[StaticConf]) -> None:
        """Nothing was kept, so there is nothing to remove."""

    @on.check
    def verify(self, op: cnisdk.Check[StaticConf]) -> None:
        """Every configured address must be in prevResult, with its gateway."""
        assigned = {ip.address: ip.gateway for ip in op.prev_result.ips}
        for ip in op.config.ips():
            if ip.address not in assigned:
                raise errors.CniError(
                    f"address {ip.address} is missing in prevResult",
                    details=f"prevResult has {', '.join(map(str, assigned)) or 'no addresses'}",
                )
            if ip.gateway is not None and ip.gateway != assigned[ip.address]:
                raise errors.CniError(
                    f"address {ip.address} on interface {op.ifname}: the gateway is "
                    f"{assigned[ip.address]} in prevResult, not {ip.gateway}"
                )

    @on.status
    def ready(self, op: cnisdk.Status[StaticConf]) -> None:
        """Refuse what is no address; there may be none yet, for the runtime can give some."""
        op.config.ips()


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _cidr(text: str, complaint: str, source: str) -> cnisdk.IpInterface:
    try:
        if "/" not in text or "%" in text:
            raise ValueError
        return ip_interface(text)
    except ValueError:
        raise errors.InvalidConfig(
            f"{complaint} in CIDR notation, got: '{text}'",
            details=f"{source}: expected an address such as 10.1.0.5/24",
        ) from None


def _gateway(text: str) -> cnisdk.IpAddress:
    try:
        return ip_address(text)
    except ValueError:
        raise errors.InvalidConfig(
            f"invalid gateway address: {text}", details="CNI_ARGS GATEWAY"
        ) from None


def _with_gateway(ip: cnisdk.Ip, gateways: list[cnisdk.IpAddress]) -> cnisdk.Ip:
    """The address with the gateway of its subnet, unless it has one of its own."""
    fitting = [each for each in gateways if each in ip.address.network]
    if ip.gateway is not None or not fitting:
        return ip
    return attrs.evolve(ip, gateway=fitting[-1])


def _check_count(ips: Sequence[cnisdk.Ip], cni_version: str) -> None:
    if not ips:
        raise errors.InvalidConfig(
            "ipam.addresses: no addresses to assign",
            details="give addresses in the configuration, in CNI_ARGS IP, in args.cni.ips, or by "
            "the capability ips",
        )
    if versions.has_many_addresses(cni_version):
        return
    for version in (4, 6):
        if sum(ip.version == version for ip in ips) > 1:
            raise errors.InvalidConfig(
                f"CNI version {cni_version} does not support more than 1 address per family",
                details=f"there are several of IPv{version}; use cniVersion 0.3.0 or newer",
            )
