"""Source based routing: what leaves by an interface's address takes that interface's routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import ip_network

import attrs

import cnisdk
from cnisdk import errors, on
from reference_plugins import _source_routes


_CLAIMS = cnisdk.Claims("sbr")
_FIRST_TABLE = 100
_KERNELS_TABLES = {253, 254, 255}
_MAINS_PRIORITY = 32766
"""What comes later than the main table's rule decides nothing."""


def _one_of_a_family(_: object, _field: object, value: tuple[cnisdk.IpAddress, ...]) -> None:
    if len(value) > 2:
        raise ValueError(
            f"gateways list cannot contain more than 2 entries (one IPv4, one IPv6), got {len(value)}"
        )
    if len(value) == 2 and value[0].version == value[1].version:
        raise ValueError(
            f"gateways list contains multiple IPv{value[0].version} addresses: {value[0]} and {value[1]}"
        )


@cnisdk.config
class SbrConf(cnisdk.NetConf):
    """Configuration of the sbr plugin."""

    table: int | None = attrs.field(
        default=None,
        validator=attrs.validators.optional([attrs.validators.ge(1), attrs.validators.lt(2**32)]),
    )
    """Only let the addresses look into this routing table, whose routes are not the plugin's business."""
    gateways: tuple[cnisdk.IpAddress, ...] = cnisdk.key(
        default=(), validator=_one_of_a_family, refusal="invalid static gateway IP address: {}"
    )
    """Default gateways of the new tables, at most one of each family, instead of the addresses' own."""
    add_source_hints: bool = False
    """Leave the subnets' routes in the main table, with the address as preferred source."""

    @property
    def gateway(self) -> Mapping[int, cnisdk.IpAddress]:
        """The configured gateways by address family."""
        return {each.version: each for each in self.gateways}


class Sbr(cnisdk.ChainedPlugin[SbrConf]):
    """Source based routing: what leaves by an interface's address takes that interface's routes."""

    @on.add
    def attach(self, op: cnisdk.ChainedAdd[SbrConf]) -> cnisdk.Result:
        """Add a rule for each address, then move the interface's routes to the tables they name."""
        if op.config.cni_version in {"0.1.0", "0.2.0"}:
            raise errors.InvalidConfig("This plugin must be called as chained plugin")
        ips = _ips(op.prev_result, op.ifname)
        if not ips:
            raise errors.InvalidConfig(f"No IP addresses supplied on interface: {op.ifname}")
        _CLAIMS.make(op)
        with op.netns.exclusively():
            rules, tables = op.netns.policy_rules(), dict[cnisdk.Ip, int]()
            for ip in ips:
                # W-SBR-4: a second ADD finds the rule of the first.
                found = _rules_of(rules, [ip.address.ip], op.config.table)
                if found:
                    tables[ip] = found[0].table
                else:
                    free = op.netns.free_table(_FIRST_TABLE, besides=tables.values())  # W-SBR-3
                    tables[ip] = op.config.table or free
                    op.netns.add_source_rule(ip.address.ip, tables[ip])
            if op.config.table is not None:
                return op.prev_result
            routes = op.netns.routes(op.ifname)
            op.netns.set_routes(
                op.ifname, _source_routes.moved_to_tables(op.config, op.prev_result, routes, tables)
            )
        return _with_gateways(op.config, op.prev_result, ips)

    @on.delete
    def detach(self, op: cnisdk.Del[SbrConf]) -> None:
        """Remove the addresses' rules, and put the routes back while the interface is there."""
        if not _CLAIMS.end(op) or op.netns is None:  # W-SBR-1: rules and routes went with it
            return
        link = op.netns.link(op.ifname)
        sources = [each.ip for each in op.netns.addresses(op.ifname)] if link else []
        sources += [ip.address.ip for ip in _ips(op.prev_result or cnisdk.Result(), op.ifname)]
        with op.netns.exclusively():
            rules = _rules_of(op.netns.policy_rules(), sources, op.config.table)
            tables = {each.table for each in rules}
            if link and tables and op.config.table is None:
                routes = op.netns.routes(op.ifname)
                op.netns.set_routes(op.ifname, _source_routes.moved_to_main(routes, tables))
            op.netns.remove_policy_rules(rules)

    @on.check
    def verify(self, op: cnisdk.Check[SbrConf]) -> None:
        """Look for each address's rule, for the routes, and for the default route in its table."""
        cfg, prev, rules = op.config, op.prev_result, op.netns.policy_rules()
        wanted: list[cnisdk.KernelRoute] = []
        for ip in _ips(prev, op.ifname):
            found = _rules_of(rules, [ip.address.ip], cfg.table)
            if not any(each.priority < _MAINS_PRIORITY for each in found):
                table = f"table {cfg.table}" if cfg.table else "a table of its own"
                raise errors.CniError(
                    f"the policy rule from {ip.address.ip} to {table} is missing in {op.netns}"
                )
            if cfg.table is None:
                if ip.address.network.num_addresses > 1:
                    wanted.append(cnisdk.KernelRoute(dst=ip.address.network, table=found[0].table))
                wanted += _source_routes.new_routes(cfg, prev, ip, found[0].table)
        if prev.interface(op.ifname, op.netns.path):
            op.netns.expect(prev, op.ifname)
        routes = op.netns.routes(op.ifname)
        for each in wanted:
            if not any(_source_routes.serves(route, each) for route in routes):
                raise errors.CniError(
                    f"the route to {each.dst} in table {each.table} is missing in {op.netns}",
                    details=f"by {each.gw}" if each.gw else f"from {each.src}",
                )

    @on.gc
    def collect(self, op: cnisdk.Gc[SbrConf]) -> None:
        """Forget whose interfaces were changed, but for the valid attachments."""
        _CLAIMS.retain(op)

    @on.status
    def ready(self, op: cnisdk.Status[SbrConf]) -> None:
        """Answer 50 when the kernel has no policy rules."""
        with op.prerequisite():
            op.host.policy_rules()


def _ips(result: cnisdk.Result, ifname: str) -> list[cnisdk.Ip]:
    """The addresses of the interface, and those of which the result does not say whose they are."""
    names = {n: each.name for n, each in enumerate(result.interfaces)}
    return [
        ip for ip in result.ips if ip.interface is None or names.get(ip.interface, ifname) == ifname
    ]


def _rules_of(
    rules: Iterable[cnisdk.PolicyRule], sources: Iterable[cnisdk.IpAddress], table: int | None
) -> list[cnisdk.PolicyRule]:
    """The rules from these sources to a table, or to any but the kernel's own."""
    wanted = {ip_network(each) for each in sources}
    found = [each for each in rules if each.src in wanted and not each.other]
    if table is not None:
        return [each for each in found if each.table == table]
    return [each for each in found if each.table not in _KERNELS_TABLES]


def _with_gateways(cfg: SbrConf, result: cnisdk.Result, ips: Iterable[cnisdk.Ip]) -> cnisdk.Result:
    """prevResult with the configured gateways, which CHECK of earlier plugins then looks for."""
    routes = list(result.routes)
    for position, route in enumerate(routes):
        gw = cfg.gateway.get(route.dst.version) if route.dst.prefixlen == 0 else None
        old = route.gw or result.gateway(route.dst.version)
        if gw is not None and any(old in ip.address.network for ip in ips if old):
            routes[position] = attrs.evolve(route, gw=gw)
    return attrs.evolve(result, routes=tuple(routes))
