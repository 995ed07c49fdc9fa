"""A lease: what the server gave, to which interface, until when; as it is kept on disk."""

from __future__ import annotations

import time
from collections.abc import Mapping
from ipaddress import IPv4Interface, ip_interface
from typing import Any, cast

import attrs

from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk._result import Ip, Result
from cnisdk.dhcp import _options
from cnisdk.dhcp._options import Wishes


_FOREVER = 0xFFFFFFFF
_UNSAID = 3600
"""Seconds of a lease whose server does not say."""
_LONGEST_ID = 254


def now() -> float:
    """Seconds since the machine was booted; nobody sets this clock, and it goes on in suspension."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def client_id(attachment: Attachment) -> bytes:
    """The identifier servers know an attachment by: type 0, then the triple; Go's form."""
    names = (attachment.container_id, attachment.network, attachment.ifname)
    return b"\0" + "/".join(names).encode()[:_LONGEST_ID]


@attrs.frozen(kw_only=True)
class Place:
    """What tells an interface from another one of its name."""

    device: int
    inode: int
    """Of the namespace's file."""
    index: int
    """Of the interface. Not its hardware address: a chained plugin may change that."""


@attrs.frozen(kw_only=True)
class Lease:
    """A lease."""

    attachment: Attachment
    netns: str
    """Where the namespace was found."""
    place: Place
    wishes: Wishes
    address: str
    """Without prefix length."""
    options: Mapping[int, bytes]
    """Those of the server's acknowledgement."""
    server: str
    server_mac: str
    """Of the server, or of the router or relay it is reached by."""
    obtained: float
    """When it was asked for, on the clock of `now`."""

    @property
    def seconds(self) -> float:
        """How long it is good for."""
        given = _options.seconds(self.options.get(_options.LEASE_TIME))
        if given == _FOREVER:
            return float("inf")
        return _UNSAID if given is None else given

    @property
    def expires(self) -> float:
        """When it ends."""
        return self.obtained + self.seconds

    @property
    def rebind_at(self) -> float:
        """T2: from now on any server may extend it."""
        return self.obtained + self._timer(_options.T2, 0.85, self.seconds)

    @property
    def renew_at(self) -> float:
        """T1: from now on its server is asked to extend it."""
        return self.obtained + self._timer(_options.T1, 0.5, self.rebind_at - self.obtained)

    def _timer(self, option: int, share: float, most: float) -> float:
        given = _options.seconds(self.options.get(option))
        return given if given is not None and given < most else min(self.seconds * share, most)

    @property
    def interface(self) -> IPv4Interface:
        """Address with prefix length.

        Raises:
            errors.CniError: the server gave no subnet mask.
        """
        mask = _options.addresses(self.options.get(_options.NETMASK))
        if not mask:
            raise errors.CniError(
                "DHCP option Subnet Mask not found in DHCPACK",
                details=f"server {self.server} gave {self.address}; request subnet-mask, or have the "
                "server send it",
            )
        try:
            return cast("IPv4Interface", ip_interface(f"{self.address}/{mask[0]}"))
        except ValueError:
            raise errors.CniError(f"server {self.server} gave the mask {mask[0]}") from None

    @property
    def result(self) -> Result:
        """What an IPAM plugin answers."""
        routers = _options.addresses(self.options.get(_options.ROUTERS))
        return Result(
            ips=(Ip(self.interface, routers[0] if routers else None),),
            routes=_options.routes(self.options, self.wishes.priority),
            dns=_options.dns(self.options),
        )

    def record(self) -> dict[str, Any]:
        """It as a JSON object."""
        return {
            "attachment": attrs.asdict(self.attachment),
            "netns": self.netns,
            "place": attrs.asdict(self.place),
            "provide": _hex(self.wishes.provide),
            "request": list(self.wishes.request),
            "priority": self.wishes.priority,
            "address": self.address,
            "options": _hex(self.options),
            "server": self.server,
            "serverMac": self.server_mac,
            "obtained": self.obtained,
        }

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Lease:
        """Read it back.

        Raises:
            LookupError, TypeError, ValueError: it is not what `record` made.
        """
        return cls(
            attachment=Attachment(**record["attachment"]),
            netns=record["netns"],
            place=Place(**record["place"]),
            wishes=Wishes(
                _unhex(record["provide"]), tuple(record["request"]), int(record["priority"])
            ),
            address=record["address"],
            options=_unhex(record["options"]),
            server=record["server"],
            server_mac=record["serverMac"],
            obtained=float(record["obtained"]),
        )


def _hex(options: Mapping[int, bytes]) -> dict[str, str]:
    return {str(code): value.hex() for code, value in options.items()}


def _unhex(options: Mapping[str, str]) -> dict[int, bytes]:
    return {int(code): bytes.fromhex(value) for code, value in options.items()}
