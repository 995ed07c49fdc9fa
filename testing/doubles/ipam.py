#!/usr/bin/env python3
"""A correct IPAM plugin: a file for each address of `ipam.subnet`, below `ipam.dataDir`."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Callable, Iterator

from _cni import EXHAUSTED, EXISTS, INVALID, NOT_AS_EXPECTED, UNAVAILABLE, CniError, Json, tag
from _plugin import Plugin
from _results import checked_routes, in_version


class Ipam(Plugin):
    default_directory = "/var/lib/cni/double-ipam"

    def validate(self) -> None:
        try:
            self.checked_subnet()
            checked_routes(self.section.get("routes"))
        except ValueError:
            raise CniError(
                INVALID, "invalid network config: ipam.subnet, gateway or routes"
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

    def checked_subnet(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        subnet = ipaddress.ip_network(str(self.section.get("subnet")))
        if subnet.num_addresses < 4:
            raise ValueError(subnet)
        if "gateway" in self.section:
            ipaddress.ip_address(str(self.section["gateway"]))
        return subnet

    @property
    def gateway(self) -> str:
        return str(self.section.get("gateway") or self.checked_subnet()[1])

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

    def candidates(self) -> Iterator[str]:
        """What the runtime asks for comes first, then the subnet but for the gateway."""
        for each in self.runtime_config.get("ips", []):
            yield str(each).partition("/")[0]
        subnet = self.checked_subnet()
        last = subnet.num_addresses - (1 if subnet.version == 4 else 0)
        for number in range(1, last):
            if str(subnet[number]) != self.gateway:
                yield str(subnet[number])

    def pick(self, taken: dict[str, str]) -> str | None:
        """The first address nobody has."""
        return next((each for each in self.candidates() if not taken.get(each)), None)

    # -- the commands ----------------------------------------------------------------------------

    def add(self) -> Json | None:
        directory = self.open_network(make=True)
        assert directory is not None
        with self.locked(directory):
            taken = self.reservations(directory)
            self.refuse_twice(taken)
            address = self.pick(taken)
            if address is None:
                raise CniError(EXHAUSTED, f"no address left in {self.checked_subnet()}")
            self.reserve(directory, address)
        return self.result(address)

    def refuse_twice(self, taken: dict[str, str]) -> None:
        for address, owner in taken.items():
            if owner == self.owner:
                raise CniError(EXISTS, f"{self.owner} has {address} already")

    def result(self, address: str) -> Json:
        length = self.checked_subnet().prefixlen
        result = {
            "ips": [{"address": f"{address}/{length}", "gateway": self.gateway}],
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
        if self.pick(self.reservations(self.open_network())) is None:
            raise CniError(UNAVAILABLE, f"no address left in {self.checked_subnet()}")


if __name__ == "__main__":
    Ipam().main()
