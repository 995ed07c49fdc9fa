"""Applying an IPAM result to a container's interface."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import attrs

from cnisdk import errors
from cnisdk._deadline import Deadline
from cnisdk._net._types import MAIN_TABLE, SCOPE_LINK, KernelRoute, Link


if TYPE_CHECKING:
    from cnisdk._net._space import Space
    from cnisdk._result import Ip, Result, Route

_WITHOUT_CARRIER = {"down", "lowerlayerdown", "dormant", "notpresent"}
_WAIT_FOR_CARRIER = 5.0
"""Seconds a link is given to find its carrier; before that nobody can be asked about an address."""


def configure(
    netns: Space,
    link: Link,
    result: Result,
    *,
    dad: bool,
    up: bool,
    by_gateway: bool,
    deadline: Deadline,
) -> None:
    """See `Namespace.configure`."""
    result = result.own  # SPEC §2 ADD: prevResult is passed through; others have applied it
    ips = assigned(result, link.name)
    addresses = [ip.address for ip in ips]
    if any(each.version == 6 for each in addresses):
        _prepare_ipv6(netns, link.name, dad=dad)
    if addresses:
        # Neighbours should forget who had the address before.
        netns.set_sysctl(f"ipv4/conf/{link.name}/arp_notify", "1", required=False)
    routes = [kernel_route(route, result) for route in result.routes] if ips else []
    if by_gateway:
        routes = [attrs.evolve(each, onlink=_is_beside_gateway(each, ips)) for each in routes]
        routes = _distinct([each for ip in ips for each in _by_gateway(ip)]) + routes
    netns.kernel.configure(
        link.index,
        addresses=addresses,
        routes=list(dict.fromkeys(routes)),
        up=up,
        dad=dad,
        connected=not by_gateway,
    )
    if dad and up and any(each.version == 6 for each in addresses):
        _wait_for_detection(netns, link, deadline)


def _by_gateway(ip: Ip) -> list[KernelRoute]:
    """Routes that send even what is for the address's own subnet to the gateway."""
    if ip.gateway is None:
        raise errors.CniError(
            f"address {ip.address} has no gateway, and a point-to-point link needs one",
            details="the IPAM plugin must return a gateway with each address",
        )
    near = KernelRoute(dst=ip_network(ip.gateway), scope=SCOPE_LINK, src=ip.address.ip)
    return [near, KernelRoute(dst=ip.address.network, gw=ip.gateway, src=ip.address.ip)]


def _distinct(routes: list[KernelRoute]) -> list[KernelRoute]:
    """Those the kernel tells apart; of IPv6 routes it does not compare the source."""
    seen: dict[KernelRoute, KernelRoute] = {}
    for each in routes:
        seen.setdefault(attrs.evolve(each, src=None) if each.dst.version == 6 else each, each)
    return list(seen.values())


def _is_beside_gateway(route: KernelRoute, ips: list[Ip]) -> bool:
    """Whether its next hop is in a subnet that the kernel is told to reach by the gateway alone."""
    return route.gw is not None and any(
        route.gw in ip.address.network and route.gw != ip.gateway for ip in ips
    )


def assigned(result: Result, name: str) -> list[Ip]:
    """The result's addresses for one interface.

    Raises:
        errors.InvalidConfig: an address names an interface that is not there, or another one.
    """
    if not result.interfaces:
        raise errors.InvalidConfig("no interfaces to configure")
    ips: list[Ip] = []
    for ip in result.ips:
        if ip.interface is None:
            continue
        if not 0 <= ip.interface < len(result.interfaces):
            raise errors.InvalidConfig(
                f"failed to add IP addr {ip.address}: invalid interface index {ip.interface}",
                details=f"the result has {len(result.interfaces)} interfaces",
            )
        if result.interfaces[ip.interface].name != name:
            raise errors.InvalidConfig(
                f'failed to add IP addr {ip.address} to "{name}": invalid interface index',
                details=f'index {ip.interface} is "{result.interfaces[ip.interface].name}"',
            )
        ips.append(ip)
    return ips


def kernel_route(route: Route, result: Result) -> KernelRoute:
    """A route with its next hop: its own, else the gateway of the address of its family."""
    gw = route.gw
    # W-CFG-2: a route that asks for link scope has no next hop.
    if gw is None and route.scope != SCOPE_LINK:
        gw = result.gateway(route.dst.version)
    if gw is not None and gw.is_unspecified:
        gw = None
    return KernelRoute(
        dst=route.dst,
        gw=gw,
        table=route.table or MAIN_TABLE,
        priority=route.priority,
        scope=route.scope,
        mtu=route.mtu,
        advmss=route.advmss,
    )


def _prepare_ipv6(netns: Space, name: str, *, dad: bool) -> None:
    settings: list[tuple[str, str, Any]] = [
        ("lo/disable_ipv6", "0", False),
        (f"{name}/disable_ipv6", "0", False),
        # W-CFG-4: a kernel without this setting is no reason to fail.
        (f"{name}/keep_addr_on_down", "1", False),
        (f"{name}/accept_dad", "1" if dad else "0", False),
        # As with arp_notify: neighbours should forget who had the address before.
        (f"{name}/ndisc_notify", "1", False),
    ]
    if dad:
        settings.append((f"{name}/enhanced_dad", "1", False))
    for setting, value, required in settings:
        netns.set_sysctl(f"ipv6/conf/{setting}", value, required=required)


def _wait_for_detection(netns: Space, link: Link, deadline: Deadline) -> None:
    step = f"waiting for duplicate address detection on {link.name}"
    has_carrier = True
    with deadline.step(step):
        soon = Deadline(min(_WAIT_FOR_CARRIER, deadline.remaining()))
        found = netns.kernel.wait_addresses(link.index, soon)
        if any(each.tentative for each in found):
            has_carrier = netns.expect_link(link.name).operstate not in _WITHOUT_CARRIER
            if has_carrier:
                found = netns.kernel.wait_addresses(link.index, deadline)
    for address in found:
        if address.duplicate:
            raise errors.TryAgainLater(
                f"address {address.interface} is already in use on the network",
                details="duplicate address detection found another holder",
            )
        if address.tentative and has_carrier:
            raise deadline.expired(step)
