"""Ranges of addresses as an operator writes them, and what they amount to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from cnisdk import errors, versions
from cnisdk._address_ranges import AddressRange, RangeSet
from cnisdk._config import config
from cnisdk._result import IpAddress, IpInterface


@config
class IpRange:
    """One range of addresses, as in the ``ipRanges`` capability and in ``ipam.ranges``."""

    subnet: IpInterface
    """Subnet in CIDR notation."""
    range_start: IpAddress | None = None
    """First address handed out; by default the one after the network's address."""
    range_end: IpAddress | None = None
    """Last address handed out; by default the one before the subnet's last."""
    gateway: IpAddress | None = None
    """Gateway of the subnet, never handed out; by default the subnet's first address."""


def range_sets(
    sources: Iterable[tuple[str, Sequence[IpRange]]], cni_version: str = versions.NEWEST
) -> tuple[RangeSet, ...]:
    """What range sets amount to, once they are found in order.

    Args:
        sources: JSON path and ranges of each set; a path ending in "]" is that of a list.
        cni_version: Before 0.3.0 a result holds one address per family.

    Raises:
        errors.InvalidConfig: names the JSON path and the value (code 7).
    """
    sets = [RangeSet(path, tuple(_ranges(path, confs))) for path, confs in sources]
    if not sets:
        raise errors.InvalidConfig(
            "ipam: no IP ranges specified",
            details='give "ranges", for example {"ranges": [[{"subnet": "10.1.0.0/16"}]]}',
        )
    for index, one in enumerate(sets):
        for other in sets[:index]:
            for left, right in _pairs(other.ranges, one.ranges):
                raise errors.InvalidConfig(
                    f"{one.path}: range set overlaps with {other.path}: {left} and {right}"
                )
    versions.refuse_many_addresses(cni_version, [each.version for each in sets])
    return tuple(sets)


def assign_requested(
    requested: Mapping[IpAddress, str], sets: Sequence[RangeSet]
) -> dict[int, IpAddress]:
    """Give each requested address to the first range set it lies in that has none yet.

    Args:
        requested: The addresses, and the input each is from, for messages.
        sets: Each hands out one address.

    Returns:
        Addresses by the number of their range set.

    Raises:
        errors.InvalidConfig: an address is in no range set, in one that has another, or is its gateway
            (code 7).
    """
    assigned: dict[int, IpAddress] = {}
    for address, source in requested.items():
        fitting = [index for index, each in enumerate(sets) if address in each]
        free = [index for index in fitting if index not in assigned]
        if not free:
            reason = (
                f"range set {fitting[0]} gives one address only, {assigned[fitting[0]]} was asked "
                "for first"
                if fitting
                else "it is in no range set: " + "; ".join(map(str, sets))
            )
            raise errors.InvalidConfig(
                f"failed to allocate all requested IPs: {address}", details=f"{source}: {reason}"
            )
        range_ = sets[free[0]].range_of(address)
        if range_ is not None and address == range_.gateway:
            raise errors.InvalidConfig(
                f"failed to allocate for range {free[0]}: requested ip {address} is subnet's gateway",
                details=f"{source}: the subnet is {range_.subnet}",
            )
        assigned[free[0]] = address
    return assigned


def _pairs(
    left: Sequence[AddressRange], right: Sequence[AddressRange]
) -> Iterator[tuple[AddressRange, AddressRange]]:
    return ((one, other) for one in left for other in right if one.overlaps(other))


def _ranges(path: str, confs: Sequence[IpRange]) -> list[AddressRange]:
    if not confs:
        raise errors.InvalidConfig(f"{path}: empty range set")
    is_list = path.endswith("]")
    found: list[AddressRange] = []
    for index, conf in enumerate(confs):
        one = _range(f"{path}[{index}]" if is_list else path, conf)
        if found and found[0].subnet.version != one.subnet.version:
            raise errors.InvalidConfig(
                f"{path}: mixed address families: {found[0].subnet} and {one.subnet}",
                details="a range set hands out one address; use two sets for IPv4 and IPv6",
            )
        for other, _ in _pairs(found, [one]):
            raise errors.InvalidConfig(f"{path}: subnets {other} and {one} overlap")
        found.append(one)
    return found


def _range(path: str, conf: IpRange) -> AddressRange:
    net = conf.subnet.network
    base, top = int(net.network_address), int(net.broadcast_address)
    if net.max_prefixlen == net.prefixlen:
        raise errors.InvalidConfig(
            f"{path}.subnet: network {net} too small to allocate from",
            details="one address leaves none for a gateway; use /31 (IPv6: /127) or larger",
        )
    if conf.subnet.ip != net.network_address:
        raise errors.InvalidConfig(
            f"{path}.subnet: network {conf.subnet} has host bits set",
            details=f"for a prefix of {net.prefixlen} bits the network address is {net}",
        )
    if net.max_prefixlen - net.prefixlen == 1:
        # RFC 3021, RFC 6164: both addresses of a point-to-point subnet are hosts.
        first, last, gateway = base, top, base
    else:
        # IPv4: the broadcast address. IPv6: a reserved anycast address (RFC 2526).
        first, last, gateway = base + 1, top - 1, base + 1
    for key, given in (
        ("rangeStart", conf.range_start),
        ("rangeEnd", conf.range_end),
        ("gateway", conf.gateway),
    ):
        # A router's link-local address is the usual gateway of IPv6.
        is_router = key == "gateway" and given is not None and given.is_link_local
        fits = given is None or given in net or (is_router and given.version == net.version == 6)
        if not fits or "%" in str(given):
            raise errors.InvalidConfig(f"{path}.{key}: {given} not in network {net}")
    first = first if conf.range_start is None else int(conf.range_start)
    last = last if conf.range_end is None else int(conf.range_end)
    found = AddressRange(net, first, last, conf.gateway or net[gateway - base])
    if first > last:
        start, end = found.address(first), found.address(last)
        raise errors.InvalidConfig(f"{path}.rangeStart: {start} is after the range's end {end}")
    return found
