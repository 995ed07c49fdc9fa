"""VLANs of bridge ports, in messages of the family AF_BRIDGE."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

from cnisdk._net._attributes import attributes
from cnisdk._net._kernel._answers import parts
from cnisdk._net._kernel._messages import LinkMessage
from cnisdk._net._kernel._requests import LINK, request
from cnisdk._net._netlink import HEADER
from cnisdk._net._types import PortVlan


_AF_BRIDGE = 7
_DELLINK, _GETLINK, _SETLINK, _DUMP = 17, 18, 19, 0x300
_PVID, _UNTAGGED, _RANGE_BEGIN, _RANGE_END = 0x2, 0x4, 0x8, 0x10
_COMPRESSED_VLANS = 4
"""RTEXT_FILTER_BRVLAN_COMPRESSED: ranges, for 4094 entries would not fit into a message."""
_IFLA_AF_SPEC, _ENTRY = 26, 2
_VLAN_INFO = struct.Struct("=HH")

Attributes = list[tuple[str, Any]]


def dump_ports() -> bytearray:
    """Ask for all bridge ports with their VLANs; the kernel does not tell of a single one."""
    attrs: Attributes = [("IFLA_EXT_MASK", _COMPRESSED_VLANS)]
    return request(LinkMessage, _GETLINK, fields={"family": _AF_BRIDGE}, attrs=attrs, flags=_DUMP)


def add(index: int, vlans: Sequence[PortVlan]) -> bytearray:
    """Make a port member of VLANs, or change how it is."""
    tagged = [each.id for each in vlans if not (each.pvid or each.untagged)]
    entries = [
        (each.id, _PVID * each.pvid | _UNTAGGED * each.untagged)
        for each in vlans
        if each.pvid or each.untagged
    ]
    return _change(_SETLINK, index, entries + _ranges(tagged))


def remove(index: int, ids: Iterable[int]) -> bytearray:
    """Take a port out of VLANs; those it is not in do not matter."""
    return _change(_DELLINK, index, _ranges(ids))


def of_port(index: int, messages: Iterable[bytes]) -> list[PortVlan]:
    """The VLANs of one port, by id."""
    found: list[PortVlan] = []
    for data in messages:
        # The header tells whose message it is; decoding those of all ports would take long.
        if LINK.unpack_from(data, HEADER.size)[2] == index:
            found += _read(data)
    return sorted(found)


def _read(data: bytes) -> list[PortVlan]:
    spec = parts(data, LINK)[1].get(_IFLA_AF_SPEC, b"")
    entries = [_VLAN_INFO.unpack(value) for kind, value in attributes(spec) if kind == _ENTRY]
    found: list[PortVlan] = []
    first = 0
    for flags, vlan in entries:
        if flags & _RANGE_BEGIN:
            first = vlan
            continue
        start = first if flags & _RANGE_END else vlan
        found += [
            PortVlan(each, pvid=bool(flags & _PVID), untagged=bool(flags & _UNTAGGED))
            for each in range(start, vlan + 1)
        ]
    return found


def _ranges(ids: Iterable[int]) -> list[tuple[int, int]]:
    """Ids as entries: a single one, or the two ends of a range."""
    ends: list[list[int]] = []
    for each in sorted(ids):
        if ends and ends[-1][1] == each - 1:
            ends[-1][1] = each
        else:
            ends.append([each, each])
    entries: list[tuple[int, int]] = []
    for first, last in ends:
        single = first == last
        entries += [(first, 0)] if single else [(first, _RANGE_BEGIN), (last, _RANGE_END)]
    return entries


def _change(kind: int, index: int, entries: Sequence[tuple[int, int]]) -> bytearray:
    spec = [("IFLA_BRIDGE_VLAN_INFO", {"vid": vlan, "flags": flags}) for vlan, flags in entries]
    attrs: Attributes = [("IFLA_AF_SPEC", {"attrs": spec})]
    return request(LinkMessage, kind, fields={"family": _AF_BRIDGE, "index": index}, attrs=attrs)
