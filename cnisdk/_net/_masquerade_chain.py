"""The shape of masquerading by iptables, and which of its rules go with an attachment.

The shape is the Go plugins': a chain of the nat table named after network and container, and for
each address a rule in POSTROUTING that jumps there. Both carry the comment
``name: "<network>" id: "<container id>"``, so their DEL removes what we made, and ours theirs.

Two interfaces of a container on one network share that chain (W-MASQ-1). Our rules in it therefore
match the address and end their comment in ``if: "<ifname>"``: removing one interface leaves the
other's rules, and the chain goes when nothing jumps to it any more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import attrs

from cnisdk._names import Attachment, short_hash


if TYPE_CHECKING:
    from cnisdk._result import IpInterface

MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}
"""Destinations that are never masqueraded."""

_LONGEST_COMMENT = 255  # xt_comment
_LONGEST_IFNAME = 16  # as it is, or hashed
_PLAIN_IFNAME = re.compile(r"[A-Za-z0-9_.@+-]+")
_COMMENT = re.compile(r'name: "([^"]*)" id: "([^"]*)"(?: if: "([^"]*)")?')
_CHAIN = re.compile(r"CNI-[0-9a-f]{24}")


class FoundRule(Protocol):
    """A rule of the nat table, however it was read."""

    @property
    def chain(self) -> str: ...
    @property
    def comment(self) -> str: ...
    @property
    def text(self) -> tuple[str, ...]: ...


_R = TypeVar("_R", bound=FoundRule)
Gone = Callable[["Mark"], bool]


@attrs.frozen
class Mark:
    """What a comment tells of a rule's owner."""

    network: str
    container_id: str
    ifname: str | None
    """None in rules the Go plugins made, and in POSTROUTING."""


def chain_name(attachment: Attachment) -> str:
    """The chain shared by the container's interfaces on the network; always 28 characters."""
    return "CNI-" + short_hash(attachment.network + attachment.container_id, 24)


def names(attachment: Attachment) -> tuple[str, str]:
    """Network and container as our comments name them: hashed where they would be too long."""
    pair = (attachment.network, attachment.container_id)
    if len(_comment(*pair)) + len(' if: ""') + _LONGEST_IFNAME > _LONGEST_COMMENT:
        return short_hash(pair[0]), short_hash(pair[1])
    return pair


def ifname_mark(ifname: str) -> str:
    """An interface name as it can stand in quotes; a hash is longer than any name, so distinct."""
    return ifname if _PLAIN_IFNAME.fullmatch(ifname) else short_hash(ifname)


def lines(attachment: Attachment, address: IpInterface) -> tuple[str, str, str]:
    """The rules of an address for ``iptables-restore``: two in the chain, one that jumps there."""
    chain, base = chain_name(attachment), _comment(*names(attachment))
    inner = _quoted(f'{base} if: "{ifname_mark(attachment.ifname)}"')
    full = f"{address.ip}/{address.network.max_prefixlen}"
    return (
        f"{chain} -s {full} -d {address.network} {inner} -j ACCEPT",
        f"{chain} -s {full} ! -d {MULTICAST[address.version]} {inner} -j MASQUERADE",
        f"POSTROUTING -s {full} {_quoted(base)} -j {chain}",
    )


def _comment(network: str, container_id: str) -> str:
    return f'name: "{network}" id: "{container_id}"'


def _quoted(comment: str) -> str:
    escaped = comment.replace('"', '\\"')
    return f'-m comment --comment "{escaped}"'


def mark_of(rule: FoundRule) -> Mark | None:
    """The owner a rule's comment names; None for rules that are not ours."""
    match = _COMMENT.fullmatch(rule.comment)
    return Mark(match[1], match[2], match[3]) if match else None


def doomed(rules: Sequence[_R], chain: str, gone: Gone) -> tuple[list[_R], bool]:
    """Which rules of and to a chain go, and whether the chain goes with them.

    A rule in POSTROUTING does not name its interface, but the rules in the chain with the same
    address do. One whose address nobody claims is as the Go plugins make it: it goes with the
    first of the container's attachments that is deleted, as it does there.
    """
    inner = [rule for rule in rules if rule.chain == chain]
    jumps = [rule for rule in rules if f"jump {chain}" in rule.text]
    going: list[_R] = []
    kept_sources: set[str] = set()
    gone_sources: set[str] = set()
    for rule in inner:
        mark, source = mark_of(rule), _source(rule)
        leaves = mark is not None and gone(mark)
        if leaves:
            going.append(rule)
        if mark is not None and mark.ifname is not None:
            (gone_sources if leaves else kept_sources).add(source)
    for rule in jumps:
        mark, source = mark_of(rule), _source(rule)
        if mark and source not in kept_sources and (source in gone_sources or gone(mark)):
            going.append(rule)
    return going, len(going) == len(inner) + len(jumps)


def _source(rule: FoundRule) -> str:
    return rule.text[0] if rule.text else ""


def belongs_to(attachment: Attachment) -> Gone:
    """Whether a rule goes when the attachment is deleted."""
    pairs = {
        (attachment.network, attachment.container_id),
        (attachment.network_hash, short_hash(attachment.container_id)),
    }
    ifname = ifname_mark(attachment.ifname)
    return lambda mark: (mark.network, mark.container_id) in pairs and mark.ifname in {None, ifname}


def is_stale(network: str, valid: Collection[Attachment]) -> Gone:
    """Whether a rule belongs to the network and to none of its valid attachments."""
    mine = {network, short_hash(network)}
    ids = {attachment.container_id: attachment for attachment in valid}
    ids |= {short_hash(name): attachment for name, attachment in ids.items()}
    exact = {(a.container_id, ifname_mark(a.ifname)) for a in valid}
    exact |= {(short_hash(name), ifname) for name, ifname in exact}

    def gone(mark: Mark) -> bool:
        if mark.network not in mine:
            return False
        if mark.ifname is None:
            return mark.container_id not in ids
        return (mark.container_id, mark.ifname) not in exact

    return gone


def by_chain(rules: Sequence[_R], only: str) -> list[tuple[str, list[_R]]]:
    """Masquerading chains, each with the rules in it and those that jump to it."""
    found: dict[str, list[_R]] = {only: []} if only else {}
    for rule in rules:
        for place in {rule.chain, *(text.removeprefix("jump ") for text in rule.text)}:
            if place == only or (not only and _CHAIN.fullmatch(place)):
                found.setdefault(place, []).append(rule)
    return sorted(found.items())
