#!/usr/bin/env python3
"""A correct IPAM plugin: a file for each address of its ranges, below `ipam.dataDir`."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Callable, Iterator

from _cni import EXHAUSTED, EXISTS, INVALID, NOT_AS_EXPECTED, UNAVAILABLE, CniError, Json, tag
from _plugin import Plugin
from _results import checked_routes, in_version, objects


Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network


class Ipam(Plugin):
    default_directory = "/var/lib/cni/double-ipam"

    def validate(self) -> None:
        try:
            self.checked_ranges()
            checked_routes(self.section.get("routes"))
        except ValueError:
            raise CniError(
                INVALID, "invalid network config: ipam.subnet, ranges, gateway or routes"
            ) from None
        if not isinstance(self.dns, dict):
            raise CniError(INVALID, "invalid network config: dns is not an object")
        directory = self.section.get("dataDir", self.default_directory)
        if not isinstance(directory, str) or not os.path.isabs(directory):
            raise CniError(INVALID, "invalid network config: ipam.dataDir is not an absolute path")

    @property
    def section(self) -> Json:
        section = self.config.get("ipam")
        return section if isinstance(section, dict) else {}

    @property
    def dns(self) -> Json:
        return self.section.get("dns") or self.config.get("dns") or {}

    def checked_ranges(self) -> list[tuple[Subnet, str]]:
        """The subnets, each with its gateway: an attachment gets an address of every one."""
        sets = self.section.get("ranges", [[self.section]])
        rows = [objects(rows) for rows in sets] if isinstance(sets, list) else []
        if not rows or any(len(each) != 1 for each in rows):
            raise ValueError(sets)
        return [self.checked_range(row) for (row,) in rows]

    def checked_range(self, row: Json) -> tuple[Subnet, str]:
        subnet = ipaddress.ip_network(str(row.get("subnet")))
        if subnet.num_addresses < 4:
            raise ValueError(subnet)
        return subnet, str(ipaddress.ip_address(str(row.get("gateway") or subnet[1])))

    # -- the reservations ------------------------------------------------------------------------

    def open_network(self, *, make: bool = False) -> int | None:
        """The directory with the reservations of this network; None when there is none."""
        base = self.section.get("dataDir", self.default_directory)
        if not isinstance(base, str) or not os.path.isabs(base):
            base = self.default_directory
        try:
            os.close(self.open_directory(base, make=make))
            return self.open_directory(os.path.join(base, tag(self.network)), make=make)
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def locked(self, directory: int) -> Iterator[None]:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with self.lock(os.open("lock", flags, self.file_mode, dir_fd=directory)):
            self.sweep(directory)
            yield

    def reservations(self, directory: int | None) -> dict[str, str]:
        """The owner of each address that is given out; an empty one where the file is broken."""
        found: dict[str, str] = {}
        for name in [] if directory is None else os.listdir(directory):
            if name != "lock" and not name.startswith("."):
                content = self.read_file(directory, name) or {}
                owner = content.get("owner")
                found[name] = owner if isinstance(owner, str) else ""
        return found

    def reserve(self, directory: int, address: str) -> None:
        self.write_file(directory, address, {"owner": self.owner})

    def release(self, directory: int, address: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(address, dir_fd=directory)

    def candidates(self, subnet: Subnet, gateway: str) -> Iterator[str]:
        """What the runtime asks for comes first, then the subnet but for the gateway."""
        for each in self.runtime_config.get("ips", []):
            address = ipaddress.ip_interface(str(each)).ip
            if address in subnet:
                yield str(address)
        last = subnet.num_addresses - (1 if subnet.version == 4 else 0)
        for number in range(1, last):
            if str(subnet[number]) != gateway:
                yield str(subnet[number])

    def pick(self, taken: dict[str, str]) -> list[str]:
        """An address of each range; none at all where one has none left."""
        picked = [self.pick_from(taken, *each) for each in self.checked_ranges()]
        return picked if all(picked) else []

    def pick_from(self, taken: dict[str, str], subnet: Subnet, gateway: str) -> str:
        """The first address nobody has; empty where there is none."""
        return next((each for each in self.candidates(subnet, gateway) if not taken.get(each)), "")

    # -- the commands ----------------------------------------------------------------------------

    def add(self) -> Json | None:
        directory = self.open_network(make=True)
        assert directory is not None
        with self.locked(directory):
            taken = self.reservations(directory)
            self.refuse_twice(taken)
            addresses = self.pick(taken)
            if not addresses:
                raise CniError(EXHAUSTED, "no address left")
            for address in addresses:
                self.reserve(directory, address)
        return self.result(addresses)

    def refuse_twice(self, taken: dict[str, str]) -> None:
        for address, owner in taken.items():
            if owner == self.owner:
                raise CniError(EXISTS, f"{self.owner} has {address} already")

    def result(self, addresses: list[str]) -> Json:
        pairs = zip(addresses, self.checked_ranges(), strict=True)
        result = {
            "ips": [
                {"address": f"{address}/{subnet.prefixlen}", "gateway": gateway}
                for address, (subnet, gateway) in pairs
            ],
            "routes": checked_routes(self.section.get("routes")),
            "dns": self.dns,
        }
        return in_version(result, self.cni_version)

    def delete(self) -> None:
        self.remove(lambda owner: owner == self.owner)

    def remove(self, is_stale: Callable[[str], bool]) -> None:
        """Release the addresses of some owners; broken files belong to nobody."""
        directory = self.open_network()
        if directory is None:
            return
        with self.locked(directory):
            for address, owner in self.reservations(directory).items():
                if is_stale(owner):
                    self.release(directory, address)

    def check(self) -> None:
        addresses = {str(ip.get("address", "")).partition("/")[0] for ip in self.previous()["ips"]}
        taken = self.reservations(self.open_network())
        own = [address for address, owner in taken.items() if owner == self.owner]
        if not addresses & set(own):
            raise CniError(
                NOT_AS_EXPECTED, f"no address of prevResult is reserved for {self.owner}"
            )

    def gc(self) -> None:
        valid = self.valid_owners()
        if valid is not None:
            self.remove(lambda owner: owner not in valid)

    def status(self) -> None:
        if not self.pick(self.reservations(self.open_network())):
            raise CniError(UNAVAILABLE, "no address left")


if __name__ == "__main__":
    Ipam().main()
