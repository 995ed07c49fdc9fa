"""Calling the Go daemon, on nodes where that one runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any

from cnisdk.dhcp import _gob
from cnisdk.dhcp._gob import BYTES, STRING, UINT, Struct


_REQUEST = Struct("Request", (("ServiceMethod", STRING), ("Seq", UINT)))
_ARGUMENTS = Struct(
    "CmdArgs",
    (
        ("ContainerID", STRING),
        ("Netns", STRING),
        ("IfName", STRING),
        ("Args", STRING),
        ("Path", STRING),
        ("StdinData", BYTES),
    ),
)
_CONNECT = b"CONNECT /_goRPC_ HTTP/1.0\r\n\r\n"


class Refusal(Exception):
    """The daemon's own words."""


def call(connection: Any, receive: Callable[[], bytes], method: str, args: Any) -> dict[str, Any]:
    """Call a method of the Go daemon.

    Args:
        connection: A fresh connection.
        receive: Receives some bytes from it; none at its end.
        method: Its name, such as DHCP.Release.
        args: Its arguments, as `cnisdk.dhcp._client` gives them to a daemon of ours.

    Returns:
        The result, as the JSON of specification 1.0.0.

    Raises:
        Refusal: the daemon answered with an error.
        ValueError: what answered is no such daemon.
        OSError: as recv(2).
    """
    connection.sendall(_CONNECT)
    data = b""
    while b"\n\n" not in data.replace(b"\r", b""):
        data += _some(receive)
    if b" 200 " not in data.partition(b"\n")[0]:
        raise ValueError(f"expected a DHCP daemon, got {data[:60]!r}")
    document: dict[str, Any] = {"cniVersion": "1.0.0", "type": "dhcp", **args["StdinData"]}
    document["ipam"] = {**document["ipam"], "type": "dhcp"}
    encoder = _gob.Encoder()
    connection.sendall(
        encoder.encode(_REQUEST, {"ServiceMethod": method})
        + encoder.encode(_ARGUMENTS, {**args, "StdinData": json.dumps(document)})
    )
    response, body = _values(receive)
    if response.get("Error"):
        raise Refusal(response["Error"])
    return _result(body)


def _values(receive: Callable[[], bytes]) -> list[Any]:
    """The head of the answer and what comes with it."""
    decoder = _gob.Decoder()
    data = b""
    found: list[Any] = []
    while len(found) < 2:
        size = _gob.length(data)
        if size is None or len(data) < sum(size):
            data += _some(receive)
            continue
        value = decoder.decode(data[size[1] : sum(size)])
        data = data[sum(size) :]
        found += [value] if value is not None else []
    return found


def _some(receive: Callable[[], bytes]) -> bytes:
    data = receive()
    if not data:
        raise ValueError("unexpected EOF")
    return data


def _result(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "cniVersion": "1.0.0",
        "ips": [
            {"address": _network(ip["Address"]), **_if("gateway", ip.get("Gateway"))}
            for ip in body.get("IPs", [])
        ],
        "routes": [
            {"dst": _network(route["Dst"]), **_if("gw", route.get("GW"))}
            for route in body.get("Routes", [])
        ],
        "dns": {key.lower(): value for key, value in body.get("DNS", {}).items()},
    }


def _network(network: Mapping[str, bytes]) -> str:
    bits = sum(each.bit_count() for each in network["Mask"])
    return f"{_short(network['IP'])}/{bits}"


def _if(key: str, address: bytes | None) -> dict[str, str]:
    return {key: _short(address)} if address and any(address) else {}


def _short(address: bytes) -> str:
    """Go keeps some IPv4 addresses in the form for IPv6."""
    found = ip_address(address)
    return str(getattr(found, "ipv4_mapped", None) or found)
