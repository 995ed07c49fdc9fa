"""CHECK: comparing an interface with the result of ADD."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network
from typing import TYPE_CHECKING

from cnisdk import errors
from cnisdk._net._configure import kernel_route
from cnisdk._net._types import MAIN_TABLE, KernelRoute, Link


if TYPE_CHECKING:
    from cnisdk._net._space import Space
    from cnisdk._result import Ip, IpAddress, IpInterface, Result, Route


def expect_result(
    netns: Space, result: Result, name: str, *, up: bool, by_gateway: bool = False
) -> None:
    """See `Namespace.expect`."""
    expected = result.interface(name, netns.path)
    if expected is None:
        others = sorted({each.sandbox for each in result.interfaces if each.name == name} - {""})
        raise errors.InvalidConfig(
            f'prevResult has no interface "{name}" in {netns}',
            details=f"it has one in {', '.join(others)}" if others else "",
        )
    link = netns.expect_link(
        name, mac=expected.mac or None, mtu=expected.mtu or None, up=True if up else None
    )
    ips = result.ips_of(name, netns.path)
    for ip in ips:
        expect_address(netns, link, ip.address)
    if not up or not ips:
        return
    everything = netns.kernel.routes()
    present = _in_use(netns, link, ips, everything)
    for ip in ips:
        _expect_subnet_route(netns, link, ip.address, present)
        if by_gateway and ip.gateway is not None:
            _expect_by_gateway(netns, link, ip, present)
    # The result does not say which interface a route is on; with a single one it is plain.
    alone = all(ip.interface is None or ip in ips for ip in result.ips)
    for route in result.routes:
        wanted = kernel_route(route, result)
        ours = alone or _reaches(ips, wanted.gw)
        # What asks for a table is nobody's to move. What does not, a plugin after vrf has in the main one.
        among = everything
        if wanted.table == MAIN_TABLE:
            among = [each for each in everything if each in present or each.table == MAIN_TABLE]
        _expect_route(netns, route, wanted, among, index=link.index if ours else None, mtu=link.mtu)


def _in_use(
    netns: Space, link: Link, ips: Sequence[Ip], routes: Sequence[KernelRoute]
) -> list[KernelRoute]:
    """The routes that packets from these addresses can take.

    W-CHK-1: sbr moves routes from the main table to one that a policy rule names, vrf to the VRF's.
    """
    if not link.master and all(each.table == MAIN_TABLE for each in routes):
        return list(routes)
    master = netns.kernel.link_by_index(link.master) if link.master else None
    main = (master.vrf_table if master else 0) or MAIN_TABLE
    tables = {(4, main), (6, main)}
    for rule in netns.kernel.policy_rules():
        if rule.table != MAIN_TABLE and (
            rule.src is None or any(ip.address.ip in rule.src for ip in ips)
        ):
            tables.add((rule.version, rule.table))
    return [
        each
        for each in routes
        if (each.dst.version, each.table) in tables or each.index != link.index
    ]


def _reaches(ips: Sequence[Ip], gw: IpAddress | None) -> bool:
    return gw is not None and any(gw in ip.address.network for ip in ips)


def expect_address(netns: Space, link: Link, address: IpInterface) -> None:
    """Raise an error when the link has not this address."""
    present = netns.kernel.addresses(link.index)
    if any(each.interface == address for each in present):
        return
    same = [each.interface for each in present if each.interface.ip == address.ip]
    found = f"it is there as {same[0]}" if same else ""
    raise errors.CniError(
        f'address {address} is missing on interface "{link.name}" in {netns}', details=found
    )


def _expect_subnet_route(
    netns: Space, link: Link, address: IpInterface, present: Sequence[KernelRoute]
) -> None:
    network = address.network
    if network.prefixlen == network.max_prefixlen:
        return
    if not any(each.dst == network and each.index == link.index for each in present):
        raise errors.CniError(
            f'the route to {network} on interface "{link.name}" is missing in {netns}'
        )


def _expect_by_gateway(netns: Space, link: Link, ip: Ip, present: Sequence[KernelRoute]) -> None:
    here = {(each.dst, each.gw) for each in present if each.index == link.index}
    for dst, gw in ((ip_network(ip.gateway or ""), None), (ip.address.network, ip.gateway)):
        if (dst, gw) not in here:
            by = f" by {gw}" if gw else ""
            raise errors.CniError(
                f'the route to {dst}{by} on interface "{link.name}" is missing in {netns}'
            )


def _expect_route(
    netns: Space,
    route: Route,
    wanted: KernelRoute,
    present: Sequence[KernelRoute],
    *,
    index: int | None,
    mtu: int,
) -> None:
    differences = ["it is not there"]
    for each in present:
        if each.dst != wanted.dst:
            continue
        differences = _differences(route, wanted, each, mtu)
        if index is not None and each.index != index:
            differences.append("it is on another interface")
        if not differences:
            return
    by = f" by {wanted.gw}" if wanted.gw else ""
    raise errors.CniError(
        f"expected route to {route.dst}{by} not found in {netns}", details="; ".join(differences)
    )


def _differences(route: Route, wanted: KernelRoute, found: KernelRoute, link_mtu: int) -> list[str]:
    """What is different, as far as the result says anything about it."""
    compared: list[tuple[str, object, object]] = []
    # Without `gw` the gateway of the address may be meant, or none: a later plugin's link route
    # (SPEC, Section 5, routes). A default route without next hop is nobody's wish.
    if route.gw is not None or found.gw is not None or route.dst.prefixlen == 0:
        compared.append(("gw", wanted.gw, found.gw))
    if wanted.table != MAIN_TABLE:
        compared.append(("table", wanted.table, found.table))
    if route.priority:
        compared.append(("priority", route.priority, found.priority))
    if route.scope is not None and route.dst.version == 4:
        compared.append(("scope", route.scope, found.scope))
    # The kernel has IPv6 routes follow the link's MTU, which a later plugin may have set.
    if route.mtu and not (route.dst.version == 6 and found.mtu == link_mtu):
        compared.append(("mtu", route.mtu, found.mtu))
    if route.advmss:
        compared.append(("advmss", route.advmss, found.advmss))
    return [f"{what} is {has}, not {value}" for what, value, has in compared if value != has]
