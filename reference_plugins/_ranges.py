"""Ranges of addresses: reading them from the configuration and choosing a free address."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import attrs

import cnisdk
from cnisdk import errors, versions


_PROBES = 32
"""Addresses looked at one by one before looking for a free one in a cleverer way."""
_LISTED = 4096
"""Up to this many addresses, all names are read instead, which finds the very next free one."""
_SAMPLES = 32
"""Looks at addresses spread over the whole set before all names are read."""


@cnisdk.config
class RangeConf:
    """One range as the operator writes it."""

    subnet: cnisdk.IpInterface
    """Subnet in CIDR notation."""
    range_start: cnisdk.IpAddress | None = None
    """First address handed out; by default the one after the network's address."""
    range_end: cnisdk.IpAddress | None = None
    """Last address handed out; by default the one before the subnet's last."""
    gateway: cnisdk.IpAddress | None = None
    """Gateway of the subnet, never handed out; by default the subnet's first address."""


@attrs.frozen
class Range:
    """Consecutive addresses of one subnet, the gateway excepted."""

    subnet: cnisdk.IpNetwork
    first: int
    last: int
    gateway: cnisdk.IpAddress

    @property
    def size(self) -> int:
        """How many addresses can be handed out."""
        return self.last - self.first + 1 - (self.first <= int(self.gateway) <= self.last)

    def __contains__(self, address: cnisdk.IpAddress) -> bool:
        return address.version == self.subnet.version and self.first <= int(address) <= self.last

    def address(self, number: int) -> cnisdk.IpAddress:
        """The address with this number."""
        return IPv4Address(number) if self.subnet.version == 4 else IPv6Address(number)

    def overlaps(self, other: Range) -> bool:
        """Whether an address is in both."""
        return (
            self.subnet.version == other.subnet.version
            and self.first <= other.last
            and other.first <= self.last
        )

    def __str__(self) -> str:
        return f"{self.address(self.first)}-{self.address(self.last)}"


@attrs.frozen
class RangeSet:
    """Ranges of which one address is handed out to each attachment."""

    path: str
    """Where it stands in the configuration, for example ``ipam.ranges[0]``."""
    ranges: tuple[Range, ...]

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.ranges[0].subnet.version

    @property
    def size(self) -> int:
        """How many addresses can be handed out."""
        return sum(each.size for each in self.ranges)

    def range_of(self, address: cnisdk.IpAddress) -> Range | None:
        """The range an address is in."""
        return next((each for each in self.ranges if address in each), None)

    def __contains__(self, address: cnisdk.IpAddress) -> bool:
        return self.range_of(address) is not None

    def __str__(self) -> str:
        return ",".join(map(str, self.ranges))

    def pick(
        self,
        after: cnisdk.IpAddress | None,
        is_free: Callable[[cnisdk.IpAddress], bool],
        taken: Callable[[], Collection[str]],
    ) -> cnisdk.IpAddress | None:
        """Choose an address, round robin; None when all are taken.

        Most often the next address is free. When many in a row are not, all taken addresses are read
        at once. In a large set jumping ahead and halving comes before that: it finds one in a few dozen
        looks unless the set is nearly exhausted.

        Args:
            after: The address handed out last; None to begin at the start.
            is_free: Looks at one address.
            taken: Reads all taken addresses.
        """
        line = _Line(self, after)

        def free(position: int) -> bool:
            address, gateway = line.at(position)
            return address != gateway and is_free(address)

        for position in range(min(_PROBES, line.length)):
            if free(position):
                return line.at(position)[0]
        low = _PROBES - 1
        for high in line.samples() if line.length > _LISTED else ():
            if free(high):
                return line.at(_halve(low if low < high else _PROBES - 1, high, free))[0]
            low = high
        if line.length <= _PROBES:
            return None
        names = taken()
        for position in range(_PROBES, line.length):
            address, gateway = line.at(position)
            if str(address) not in names and address != gateway:
                return address
        return None

    def used(self, taken: Iterable[str]) -> int:
        """How many of the taken addresses are of this set."""
        count = 0
        for name in taken:
            try:
                range_ = self.range_of(ip_address(name))
            except ValueError:
                continue
            count += range_ is not None and name != str(range_.gateway)
        return count


def _halve(low: int, high: int, free: Callable[[int], bool]) -> int:
    """A free position with a taken one before it; ``low`` is taken and ``high`` free."""
    while high - low > 1:
        middle = (low + high) // 2
        if free(middle):
            high = middle
        else:
            low = middle
    return high


class _Line:
    """All addresses of a range set in the order of one round, by position."""

    def __init__(self, of: RangeSet, after: cnisdk.IpAddress | None) -> None:
        parts = [(each, each.first, each.last) for each in of.ranges]
        start = next((i for i, each in enumerate(of.ranges) if after and after in each), None)
        if after is not None and start is not None:
            number, each = int(after), of.ranges[start]
            tail = [(each, each.first, number)]
            parts = [(each, number + 1, each.last), *parts[start + 1 :], *parts[:start], *tail]
        self._parts = [part for part in parts if part[1] <= part[2]]
        self.length = sum(last - first + 1 for _, first, last in self._parts)

    def samples(self) -> Iterator[int]:
        """Positions worth a look: ever further away, then evenly spread."""
        position = 2 * _PROBES
        while position < self.length:
            yield position
            position *= 2
        step = self.length // _SAMPLES
        yield from range(_PROBES + step, self.length, step)
        yield self.length - 1

    def at(self, position: int) -> tuple[cnisdk.IpAddress, cnisdk.IpAddress]:
        """Address and gateway at a position."""
        for range_, first, last in self._parts:
            if position <= last - first:
                return range_.address(first + position), range_.gateway
            position -= last - first + 1
        raise IndexError(position)


def range_sets(
    sources: Iterable[tuple[str, Sequence[RangeConf]]], cni_version: str = versions.NEWEST
) -> tuple[RangeSet, ...]:
    """Read and check range sets.

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
    for version in (4, 6):
        if (
            not versions.has_many_addresses(cni_version)
            and sum(each.version == version for each in sets) > 1
        ):
            raise errors.InvalidConfig(
                f"CNI version {cni_version} does not support more than 1 address per family",
                details=f"ipam has more than one range set of IPv{version}; use cniVersion 0.3.0 or newer",
            )
    return tuple(sets)


def _pairs(left: Sequence[Range], right: Sequence[Range]) -> Iterator[tuple[Range, Range]]:
    return ((one, other) for one in left for other in right if one.overlaps(other))


def _ranges(path: str, confs: Sequence[RangeConf]) -> list[Range]:
    if not confs:
        raise errors.InvalidConfig(f"{path}: empty range set")
    is_list = path.endswith("]")
    found: list[Range] = []
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


def _range(path: str, conf: RangeConf) -> Range:
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
        if given is not None and (given not in net or "%" in str(given)):
            raise errors.InvalidConfig(f"{path}.{key}: {given} not in network {net}")
    first = first if conf.range_start is None else int(conf.range_start)
    last = last if conf.range_end is None else int(conf.range_end)
    found = Range(net, first, last, conf.gateway or net[gateway - base])
    if first > last:
        start, end = found.address(first), found.address(last)
        raise errors.InvalidConfig(f"{path}.rangeStart: {start} is after the range's end {end}")
    return found
