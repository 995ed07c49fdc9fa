"""Policy rules: requests for them, and what the kernel answers."""

from __future__ import annotations

from ipaddress import ip_network

from cnisdk._net._kernel._answers import decoded
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
_PLAIN = {"FRA_SRC", "FRA_TABLE", "FRA_PRIORITY", "FRA_PROTOCOL", "FRA_PAD"}
_INVERTED = 2  # FIB_RULE_INVERT
_NO_SUPPRESSION = 0xFFFFFFFF


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
    message = decoded(RuleMessage, data)
    if message["action"] != _LOOK_UP:
        return None
    src = message.get_attr("FRA_SRC")
    # The kernel always sends the suppressors, switched off.
    other = {name for name, value in message["attrs"] if value != _NO_SUPPRESSION} - _PLAIN
    return PolicyRule(
        src=ip_network(f"{src}/{message['src_len']}") if src else None,
        table=message.get_attr("FRA_TABLE") or message["table"],
        version=4 if message["family"] == FAMILY[4] else 6,
        priority=message.get_attr("FRA_PRIORITY") or 0,
        other=bool(other or message["tos"] or message["flags"] & _INVERTED),
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
