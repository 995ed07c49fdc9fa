"""Policy rules: requests for them, and what the kernel answers."""

from __future__ import annotations

import struct
from ipaddress import ip_address, ip_network

from cnisdk._net._attributes import number
from cnisdk._net._kernel._answers import parts
from cnisdk._net._kernel._messages import rule_message
from cnisdk._net._kernel._requests import (
    CREATE,
    DUMP,
    EXCL,
    FAMILY,
    Attributes,
    request,
    small_table,
)
from cnisdk._net._types import PolicyRule


RuleMessage = rule_message()
_NEWRULE, _DELRULE, _GETRULE = 32, 33, 34
_LOOK_UP = 1
_FRA_SRC, _FRA_PRIORITY, _FRA_TABLE, _FRA_PAD, _FRA_PROTOCOL = 2, 6, 15, 18, 21
_PLAIN = {_FRA_SRC, _FRA_PRIORITY, _FRA_TABLE, _FRA_PAD, _FRA_PROTOCOL}
_INVERTED = 2  # FIB_RULE_INVERT
_NO_SUPPRESSION = b"\xff" * 4
_RULE = struct.Struct("=BBBBBBBBI")  # struct fib_rule_hdr


def dump_rules(version: int) -> bytearray:
    """Ask for the policy rules of IPv4 or IPv6."""
    return request(RuleMessage, _GETRULE, fields={"family": FAMILY[version]}, flags=DUMP)


def new_rule(rule: PolicyRule) -> bytearray:
    """Add a policy rule."""
    return _request(_NEWRULE, rule, CREATE | EXCL)


def remove_rule(rule: PolicyRule) -> bytearray:
    """Remove a policy rule."""
    return _request(_DELRULE, rule, 0)


def rule(data: bytes) -> PolicyRule | None:
    """A policy rule; None when it is no look-up in a table."""
    (family, _, src_len, tos, small, _, _, action, flags), found = parts(data, _RULE)
    if action != _LOOK_UP:
        return None
    src = found.get(_FRA_SRC)
    # The kernel always sends the suppressors, switched off.
    other = {kind for kind, value in found.items() if value != _NO_SUPPRESSION} - _PLAIN
    return PolicyRule(
        src=ip_network(f"{ip_address(src)}/{src_len}") if src else None,
        table=number(found.get(_FRA_TABLE, b"")) or small,
        version=4 if family == FAMILY[4] else 6,
        priority=number(found.get(_FRA_PRIORITY, b"")),
        other=bool(other or tos or flags & _INVERTED),
    )


def _request(kind: int, wanted: PolicyRule, flags: int) -> bytearray:
    attrs: Attributes = [("FRA_TABLE", wanted.table)]
    if wanted.src is not None:
        attrs.append(("FRA_SRC", str(wanted.src.network_address)))
    if wanted.priority:
        attrs.append(("FRA_PRIORITY", wanted.priority))
    fields = {
        "family": FAMILY[wanted.version],
        "src_len": wanted.src.prefixlen if wanted.src is not None else 0,
        "table": small_table(wanted.table),
        "action": _LOOK_UP,
    }
    return request(RuleMessage, kind, fields=fields, attrs=attrs, flags=flags)
