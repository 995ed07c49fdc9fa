"""Ports of this host that rules forward."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import attrs

from cnisdk._result import IpAddress
from cnisdk.capabilities import PROTOCOLS


if TYPE_CHECKING:
    from cnisdk._net._rules import FoundRule

_ADDRESSES = ("ip daddr", "ip6 daddr")


@attrs.frozen
class HostPort:
    """A port of the host that is forwarded."""

    proto: str
    """tcp, udp or sctp."""
    port: int
    """On the host."""
    address: IpAddress | None
    """On the host; None for all of them."""

    @classmethod
    def forwarded_by(cls, rule: FoundRule) -> tuple[HostPort, str] | None:
        """The port a rule forwards (dnat), and the address it leads to; None for a rule that does not.

        Args:
            rule: As `Namespace.rules` gives it, of either backend.
        """
        address, port, proto, to = None, 0, "", ""
        for statement in rule.text:
            what, _, value = statement.rpartition(" == " if " == " in statement else " to ")
            if what in _ADDRESSES and "/" not in value:
                address = ip_address(value)
            elif what.endswith(" dport") and what.partition(" ")[0] in PROTOCOLS:
                proto, port = what.partition(" ")[0], int(value)
            elif what == "dnat":
                to = value.rpartition(":")[0].strip("[]")
        return (cls(proto, port, address), to) if to and port else None

    def overlaps(self, other: HostPort) -> bool:
        """Whether a packet may be meant for both."""
        same = (self.proto, self.port) == (other.proto, other.port)
        return same and (not self.address or not other.address or self.address == other.address)

    def __str__(self) -> str:
        return f"{self.proto} port {self.port}{f' of {self.address}' if self.address else ''}"
