"""Masquerading by nftables, in the very shape the Go plugins (1.6 and later) give it.

One table ``inet cni_plugins_masquerade``: its base chain ``postrouting`` returns for multicast and
goes to ``masq_checks``, where each address has one rule. The rule's comment is the attachment's
owner tag, so either implementation removes what the other made.

Unlike there, ``postrouting`` is left alone once it is right (W-MASQ-5), and neither DEL nor GC
needs an address, a namespace or nft itself (W-BR-2, W-BR-10, W-MASQ-2).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from cnisdk import errors
from cnisdk._names import Attachment, short_hash, stale_owners
from cnisdk._net import _nft
from cnisdk._net._nft_decode import network_text
from cnisdk._net._nft_wire import INET, Wire, WireRule


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline
    from cnisdk._result import IpInterface

TABLE = "cni_plugins_masquerade"
CHECKS = "masq_checks"
BASE = "postrouting"
BASE_HOOK = "nat postrouting 100"

_WHERE = {"family": "inet", "table": TABLE}
# contracts 2.5: multicast never leaves by way of masquerading.
_BASE_RULES = (
    ("ip daddr == 224.0.0.0/4", "return"),
    ("ip6 daddr == ff00::/8", "return"),
    (f"goto {CHECKS}",),
)


def add(
    wire: Wire,
    attachment: Attachment,
    addresses: Sequence[IpInterface],
    *,
    netns_fd: int | None = None,
    deadline: Deadline | None = None,
) -> None:
    """Masquerade what leaves the subnet of each address; replaces what an earlier ADD made."""
    wanted = [rule_text(address) for address in addresses if address.network.prefixlen]
    state: object = None
    while True:
        found = _own_rules(wire, attachment)
        base = base_state(wire)
        if [rule.text for rule in found] == wanted and (base == "right" or not wanted):
            return
        try:
            _nft.run(
                commands(attachment, addresses, stale=found, base=base),
                purpose=f"masquerade {attachment}",
                netns_fd=netns_fd,
                deadline=deadline,
            )
        except _nft.NftFailure:
            # Another ADD may have made the base chain, or a DEL taken a rule, since we looked.
            if (found, base) == state:
                raise
            state = (found, base)
        else:
            return


def commands(
    attachment: Attachment,
    addresses: Sequence[IpInterface],
    *,
    stale: Sequence[WireRule] = (),
    base: str = "missing",
) -> list[dict[str, Any]]:
    """The transaction of an ADD.

    Args:
        attachment: Whose rules.
        addresses: What to masquerade.
        stale: Rules of an earlier ADD.
        base: The base chain as it is: "right", "wrong" or "missing".
    """
    result: list[dict[str, Any]] = []
    if base != "right":
        # "create" fails when another ADD was faster, so the rules are never there twice. Nothing
        # is declared that exists: the kernel takes that for an update, and the closing of the
        # socket then waits 10 ms for readers of the old version.
        hook = {"type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}
        chain = {**_WHERE, "name": BASE}
        result = [
            {"add": {"table": {"family": "inet", "name": TABLE}}},
            {"add": {"chain": {**_WHERE, "name": CHECKS}}},
            {"create": {"chain": {**chain, **hook}}}
            if base == "missing"
            else {"flush": {"chain": chain}},
            _add_rule(BASE, [_match("ip", "daddr", "==", _prefix("224.0.0.0", 4)), _RETURN]),
            _add_rule(BASE, [_match("ip6", "daddr", "==", _prefix("ff00::", 8)), _RETURN]),
            _add_rule(BASE, [{"goto": {"target": CHECKS}}]),
        ]
    result += [
        {"delete": {"rule": {**_WHERE, "chain": CHECKS, "handle": rule.handle}}} for rule in stale
    ]
    for address in addresses:
        network = address.network
        if not network.prefixlen:
            continue  # its subnet is everything, so nothing is outside
        layer = "ip6" if address.version == 6 else "ip"
        subnet: Any = str(network.network_address)
        if network.prefixlen < network.max_prefixlen:
            subnet = _prefix(subnet, network.prefixlen)
        statements = [
            _match(layer, "saddr", "==", str(address.ip)),
            _match(layer, "daddr", "!=", subnet),
            {"masquerade": None},
        ]
        result.append(_add_rule(CHECKS, statements, comment=attachment.owner_tag))
    return result


def base_state(wire: Wire) -> str:
    """Whether the base chain is "right", "wrong" or "missing"."""
    hook = wire.chain(INET, TABLE, BASE)
    if hook is None:
        return "missing"
    # Rules that somebody put in between are theirs to keep.
    rest = iter([rule.text for rule in wire.rules(INET, TABLE, BASE)])
    complete = all(wanted in rest for wanted in _BASE_RULES)
    return "right" if complete and hook == BASE_HOOK else "wrong"


def rule_text(address: IpInterface) -> tuple[str, ...]:
    """The rule of an address in nft's words."""
    layer = "ip6" if address.version == 6 else "ip"
    outside = network_text(address.network)
    return (f"{layer} saddr == {address.ip}", f"{layer} daddr != {outside}", "masquerade")


def remove(wire: Wire, attachment: Attachment) -> None:
    """Remove the attachment's rules, whoever made them."""
    wire.delete_found(lambda: _own_rules(wire, attachment))


def retain(wire: Wire, network: str, valid: Collection[Attachment]) -> None:
    """Remove the rules of a network that belong to no valid attachment."""
    is_stale, prefix = stale_owners(network, valid), f"{short_hash(network)}-"

    def stale() -> list[WireRule]:
        return [
            rule
            for rule in wire.rules(INET, TABLE, CHECKS, containing=prefix)
            if is_stale(rule.comment)
        ]

    wire.delete_found(stale)


def has_rules(wire: Wire, attachment: Attachment) -> bool:
    """Whether any rule carries the attachment's owner tag."""
    return bool(_own_rules(wire, attachment))


def expect(wire: Wire, attachment: Attachment, addresses: Sequence[IpInterface]) -> None:
    """Raise `errors.CniError` naming the first rule that is missing or was changed."""
    found = [rule.text for rule in _own_rules(wire, attachment)]
    for address in addresses:
        wanted = rule_text(address)
        if not address.network.prefixlen or wanted in found:
            continue
        there = [text for text in found if text[:1] == wanted[:1]]
        problem = f'reads "{" ".join(there[0])}" instead' if there else "is missing"
        raise errors.CniError(
            f'masquerading of {address.ip}: the nft rule "{" ".join(wanted)}" {problem}',
            details=f"expected in table inet {TABLE}, chain {CHECKS}, for {attachment}",
        )
    if addresses and base_state(wire) != "right":
        raise errors.CniError(
            f"masquerading of {addresses[0].ip}: the nft chain {BASE} does not lead to {CHECKS}",
            details=f"expected in table inet {TABLE}: type {BASE_HOOK}, with the rules "
            + "; ".join(" ".join(rule) for rule in _BASE_RULES),
        )


def _own_rules(wire: Wire, attachment: Attachment) -> list[WireRule]:
    rules = wire.rules(INET, TABLE, CHECKS, containing=attachment.key)
    return [rule for rule in rules if attachment.owns(rule.comment)]


_RETURN: dict[str, Any] = {"return": None}


def _add_rule(
    chain: str, statements: Sequence[dict[str, Any]], *, comment: str = ""
) -> dict[str, Any]:
    rule: dict[str, Any] = {**_WHERE, "chain": chain, "expr": list(statements)}
    if comment:
        rule["comment"] = comment
    return {"add": {"rule": rule}}


def _match(layer: str, field: str, operator: str, value: object) -> dict[str, Any]:
    left = {"payload": {"protocol": layer, "field": field}}
    return {"match": {"op": operator, "left": left, "right": value}}


def _prefix(address: str, length: int) -> dict[str, Any]:
    return {"prefix": {"addr": address, "len": length}}
