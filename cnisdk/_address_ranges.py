"""Ranges of addresses that an IPAM plugin hands out, and how a free address is chosen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

import attrs

from cnisdk._result import Ip, IpAddress, IpNetwork


_PROBES = 32
"""Addresses looked at one by one before looking for a free one in a cleverer way."""
_LISTED = 4096
"""Up to this many addresses, all names are read instead, which finds the very next free one."""
_SAMPLES = 32
"""Looks at addresses spread over the whole set before all names are read."""


@attrs.frozen
class AddressRange:
    """Consecutive addresses of one subnet, of which the gateway is not handed out."""

    subnet: IpNetwork
    """The subnet they are of, whose prefix length goes with them."""
    first: int
    """The number of the first one."""
    last: int
    """The number of the last one."""
    gateway: IpAddress
    """The subnet's gateway, in the range or not."""

    @property
    def size(self) -> int:
        """How many addresses can be handed out."""
        return self.last - self.first + 1 - (self.first <= int(self.gateway) <= self.last)

    def __contains__(self, address: IpAddress) -> bool:
        return address.version == self.subnet.version and self.first <= int(address) <= self.last

    def address(self, number: int) -> IpAddress:
        """The address with this number."""
        return IPv4Address(number) if self.subnet.version == 4 else IPv6Address(number)

    def overlaps(self, other: AddressRange) -> bool:
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
    ranges: tuple[AddressRange, ...]
    """Of one address family, without overlaps."""

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.ranges[0].subnet.version

    @property
    def size(self) -> int:
        """How many addresses can be handed out."""
        return sum(each.size for each in self.ranges)

    def range_of(self, address: IpAddress) -> AddressRange | None:
        """The range an address is in."""
        return next((each for each in self.ranges if address in each), None)

    def __contains__(self, address: IpAddress) -> bool:
        return self.range_of(address) is not None

    def offers(self, address: IpAddress) -> bool:
        """Whether it may be handed out: it is in one of the ranges, and is not its gateway."""
        found = self.range_of(address)
        return found is not None and address != found.gateway

    def ip(self, address: IpAddress) -> Ip:
        """One of the addresses as a result names it, with prefix length and gateway.

        Raises:
            ValueError: it is in none of the ranges.
        """
        found = self.range_of(address)
        if found is None:
            raise ValueError(f"{address} is not in {self}")
        return Ip(ip_interface(f"{address}/{found.subnet.prefixlen}"), found.gateway)

    def __str__(self) -> str:
        return ",".join(map(str, self.ranges))

    def pick(
        self,
        after: IpAddress | None,
        is_free: Callable[[IpAddress], bool],
        taken: Callable[[], Collection[str]],
    ) -> IpAddress | None:
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

    def is_full(self, taken: Collection[str]) -> bool:
        """Whether all that can be handed out is taken."""
        # Counting is for the rare case that there can be as many.
        return len(taken) >= self.size and self.used(taken) >= self.size


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

    def __init__(self, of: RangeSet, after: IpAddress | None) -> None:
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

    def at(self, position: int) -> tuple[IpAddress, IpAddress]:
        """Address and gateway at a position."""
        for range_, first, last in self._parts:
            if position <= last - first:
                return range_.address(first + position), range_.gateway
            position -= last - first + 1
        raise IndexError(position)
