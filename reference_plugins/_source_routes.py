"""Where the routes of an interface belong that its addresses take: in a table for each address."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import attrs

import cnisdk


if TYPE_CHECKING:
    from reference_plugins.sbr import SbrConf

_MAIN_TABLE = 254
_SCOPE_LINK = 253
_PROTOCOL_STATIC = 4
"""Marks the routes that were in no table before, so that DEL can tell them from those it puts back."""
_DEFAULT = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}


def moved_to_tables(
    cfg: SbrConf,
    result: cnisdk.Result,
    routes: list[cnisdk.KernelRoute],
    tables: Mapping[cnisdk.Ip, int],
) -> list[cnisdk.KernelRoute]:
    """All routes of the interface, with those of the main table in the addresses' tables."""
    main = [each for each in routes if each.table == _MAIN_TABLE and not _is_added(each)]
    wanted = [each for each in routes if each.table != _MAIN_TABLE]
    if cfg.add_source_hints:
        wanted += [each for each in main if each.dst.version == 4 and each.scope == _SCOPE_LINK]
    for ip, table in tables.items():
        wanted += [attrs.evolve(each, table=table) for each in main if _follows(each, ip)]
        for new in new_routes(cfg, result, ip, table):
            if any(serves(each, new) for each in wanted):
                continue
            if new.gw is not None:  # a table has one default route
                wanted = [x for x in wanted if (x.table, x.dst) != (new.table, new.dst)]
            wanted.append(new)
    return wanted


def serves(route: cnisdk.KernelRoute, wanted: cnisdk.KernelRoute) -> bool:
    """Whether a route that is there does what one that is wanted would."""
    same = (route.table, route.dst) == (wanted.table, wanted.dst)
    return same and wanted.gw in {None, route.gw} and wanted.src in {None, route.src}


def _follows(route: cnisdk.KernelRoute, ip: cnisdk.Ip) -> bool:
    """Whether a route goes with an address: by source, by gateway, or because it has neither."""
    ends = [each for each in (route.src, route.gw) if each is not None]
    return not ends or any(each in ip.address.network for each in ends)


def new_routes(
    cfg: SbrConf, result: cnisdk.Result, ip: cnisdk.Ip, table: int
) -> list[cnisdk.KernelRoute]:
    """What there was in no table: a default route, and the subnet's with a hint."""
    found: list[cnisdk.KernelRoute] = []
    defaults = [each for each in result.routes if each.dst == _DEFAULT[ip.version]]
    own = [each for each in defaults if each.gw is not None and each.gw in ip.address.network]
    gw = cfg.gateway.get(ip.version) or (own[0].gw if own else ip.gateway)
    if gw is not None:
        like = next(iter(own or defaults), cnisdk.Route(_DEFAULT[ip.version]))
        metrics = {"mtu": like.mtu, "advmss": like.advmss, "priority": like.priority}
        found.append(_static(like.dst, gw=gw, table=table, **metrics))
    first = next(each for each in result.ips if each.address.network == ip.address.network)
    # IPv6 routes are not told apart by their source.
    if cfg.add_source_hints and (ip.version == 4 or ip == first):
        scope = _SCOPE_LINK if ip.version == 4 else 0
        found.append(_static(ip.address.network, src=ip.address.ip, scope=scope))
    return found


def _static(dst: cnisdk.IpNetwork, **keys: Any) -> cnisdk.KernelRoute:
    return cnisdk.KernelRoute(dst=dst, protocol=_PROTOCOL_STATIC, **keys)


def moved_to_main(routes: list[cnisdk.KernelRoute], tables: set[int]) -> list[cnisdk.KernelRoute]:
    """The routes as they were before ADD, as far as can be told."""
    return [
        attrs.evolve(each, table=_MAIN_TABLE) if each.table in tables else each
        for each in routes
        if not (_is_added(each) and each.table in {*tables, _MAIN_TABLE})
    ]


def _is_added(route: cnisdk.KernelRoute) -> bool:
    return route.protocol == _PROTOCOL_STATIC
