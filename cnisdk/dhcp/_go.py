"""What the Go plugin and the Go daemon say to each other: net/rpc, that is gob after an HTTP CONNECT.

So a node may have the one from here and the other from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ipaddress import ip_interface, ip_network
from typing import Any, Final

import attrs

from cnisdk.dhcp import _gob
from cnisdk.dhcp._gob import BYTES, INT, STRING, UINT, List, Struct


CONNECTED: Final = b"HTTP/1.0 200 Connected to Go RPC\n\n"
_LONGEST = 1 << 20

_NETWORK = Struct("IPNet", (("IP", BYTES), ("Mask", BYTES)))
_IP = Struct("IPConfig", (("Interface", INT), ("Address", _NETWORK), ("Gateway", BYTES)))
_ROUTE = Struct(
    "Route",
    (
        ("Dst", _NETWORK),
        ("GW", BYTES),
        ("MTU", INT),
        ("AdvMSS", INT),
        ("Priority", INT),
        ("Table", INT),
        ("Scope", INT),
    ),
)
_DNS = Struct(
    "DNS",
    (
        ("Nameservers", List(STRING)),
        ("Domain", STRING),
        ("Search", List(STRING)),
        ("Options", List(STRING)),
    ),
)
_RESULT = Struct(
    "Result", (("CNIVersion", STRING), ("IPs", List(_IP)), ("Routes", List(_ROUTE)), ("DNS", _DNS))
)
_NOTHING = Struct("")
_RESPONSE = Struct("Response", (("ServiceMethod", STRING), ("Seq", UINT), ("Error", STRING)))


@attrs.frozen
class Call:
    """One call of a Go plugin."""

    method: str
    number: int
    arguments: Mapping[str, Any]


class Connection:
    """The daemon's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._encoder = _gob.Encoder()
        self._decoder = _gob.Decoder()

    async def receive(self) -> Call | None:
        """The next call; None when there are no more.

        Raises:
            Malformed: it cannot be read.
        """
        try:
            head = await self._value()
        except asyncio.IncompleteReadError:
            return None
        return Call(head.get("ServiceMethod", ""), head.get("Seq", 0), _texts(await self._value()))

    def answer(self, call: Call, result: Mapping[str, Any]) -> None:
        """Answer with a result, as a current CNI version has it, or with nothing."""
        self._respond(call)
        if result:
            self._writer.write(self._encoder.encode(_RESULT, _go_result(result)))
        else:
            self._writer.write(self._encoder.encode(_NOTHING, {}))

    def refuse(self, call: Call, message: str) -> None:
        """Answer with an error."""
        self._respond(call, message)
        self._writer.write(self._encoder.encode(_NOTHING, {}))

    def _respond(self, call: Call, error: str = "") -> None:
        head = {"ServiceMethod": call.method, "Seq": call.number, "Error": error}
        self._writer.write(self._encoder.encode(_RESPONSE, head))

    async def _value(self) -> Any:
        while True:
            head = await self._reader.readexactly(1)
            if head[0] >= 128:
                head += await self._reader.readexactly(256 - head[0])
            found = _gob.length(head)
            if found is None or found[0] > _LONGEST:
                raise _gob.Malformed("a message that is too long")
            value = self._decoder.decode(await self._reader.readexactly(found[0]))
            if value is not None:
                return value


def _texts(arguments: Any) -> dict[str, Any]:
    """The arguments; what is zero does not come along."""
    if not isinstance(arguments, dict):
        raise _gob.Malformed("arguments that are no structure")
    return {"ContainerID": "", "Netns": "", "IfName": "", **arguments}


def _go_result(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result in JSON's terms in Go's."""
    dns: Mapping[str, Any] = result.get("dns") or {}
    return {
        "CNIVersion": "1.0.0",
        "IPs": [
            {"Address": _network(ip["address"]), "Gateway": _address(ip.get("gateway"))}
            for ip in result.get("ips", [])
        ],
        "Routes": [
            {
                "Dst": _network(route["dst"]),
                "GW": _address(route.get("gw")),
                "MTU": route.get("mtu"),
                "Priority": route.get("priority"),
                "Scope": route.get("scope"),
            }
            for route in result.get("routes", [])
        ],
        "DNS": {key.capitalize(): value for key, value in dns.items()},
    }


def _network(text: str) -> dict[str, bytes]:
    interface = ip_interface(text)
    return {"IP": interface.ip.packed, "Mask": interface.netmask.packed}


def _address(text: str | None) -> bytes:
    return ip_network(text).network_address.packed if text else b""
