"""What is forwarded to a container in one address family."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import attrs

import cnisdk
from cnisdk import capabilities


@attrs.frozen
class Forward:
    """The mappings of a container in the family of one of its addresses."""

    container: cnisdk.IpInterface
    """The container's address."""
    mappings: Sequence[capabilities.PortMapping]
    """All mappings, those of the other family included."""

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.container.version

    @property
    def family(self) -> str:
        """Ip or ip6, as nft names the family and the header."""
        return "ip" if self.version == 4 else "ip6"

    def host_ports(self) -> Iterator[tuple[cnisdk.HostPort, str]]:
        """Each port of the host in this family, and the container's address and port it leads to."""
        for mapping in self.mappings:
            bound = ip_address(mapping.host_ip) if mapping.host_ip else None
            if bound is None or bound.version == self.version:
                bound = None if bound is None or bound.is_unspecified else bound
                address = f"[{self.container.ip}]" if self.version == 6 else self.container.ip
                port = cnisdk.HostPort(mapping.proto, mapping.host_port, bound)
                yield port, f"{address}:{mapping.container_port}"
