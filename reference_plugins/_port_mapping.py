"""What is forwarded: a mapping as the runtime asks for it, and where it leads in one address family."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

import attrs

import cnisdk
from cnisdk import capabilities


PROTOCOLS = ("tcp", "udp", "sctp")
_LAST_PORT = 65535


@cnisdk.config
class Mapping(capabilities.PortMapping):
    """One entry of ``portMappings``."""

    def __attrs_post_init__(self) -> None:
        for what, port in (("container", self.container_port), ("host", self.host_port)):
            if not 0 < port <= _LAST_PORT:
                raise ValueError(f"Invalid {what} port number: {port}; must be 1 to {_LAST_PORT}")
        if self.proto not in PROTOCOLS:
            raise ValueError(f'protocol: must be tcp, udp or sctp, got "{self.protocol}"')
        if self.host_ip:
            ip_address(self.host_ip)

    @property
    def proto(self) -> str:
        """tcp, udp or sctp."""
        return self.protocol.lower()


@attrs.frozen
class Place:
    """A port of the host that is forwarded."""

    proto: str
    """tcp, udp or sctp."""
    port: int
    """On the host."""
    address: cnisdk.IpAddress | None
    """On the host; None for all of them."""

    def __str__(self) -> str:
        return f"{self.proto} port {self.port}{f' of {self.address}' if self.address else ''}"

    def overlaps(self, other: Place) -> bool:
        """Whether a packet may be meant for both."""
        same = (self.proto, self.port) == (other.proto, other.port)
        return same and (not self.address or not other.address or self.address == other.address)


@attrs.frozen
class Forward:
    """The mappings of a container in the family of one of its addresses."""

    container: cnisdk.IpInterface
    """The container's address."""
    mappings: Sequence[Mapping]
    """All mappings, those of the other family included."""

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.container.version

    @property
    def family(self) -> str:
        """Ip or ip6, as nft names the family and the header."""
        return "ip" if self.version == 4 else "ip6"

    def places(self) -> Iterator[tuple[Place, str]]:
        """Each port of the host in this family, and the container's address and port it leads to."""
        for mapping in self.mappings:
            bound = ip_address(mapping.host_ip) if mapping.host_ip else None
            if bound is None or bound.version == self.version:
                bound = None if bound is None or bound.is_unspecified else bound
                address = f"[{self.container.ip}]" if self.version == 6 else self.container.ip
                place = Place(mapping.proto, mapping.host_port, bound)
                yield place, f"{address}:{mapping.container_port}"
