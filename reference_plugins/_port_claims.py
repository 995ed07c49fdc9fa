"""Which attachment holds a port of the host: read from the rules of both backends, ours and the Go plugin's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address

import attrs

import cnisdk
from cnisdk import errors
from reference_plugins import _portmap_iptables, _portmap_nft
from reference_plugins._port_mapping import PROTOCOLS, Forward, Place


_TAG = re.compile(r"\S+, net: (?P<net>.+), if: (?P<ifname>.+), id: (?P<id>.*)")
_ADDRESSES = ("ip daddr", "ip6 daddr")


@attrs.frozen
class Claim:
    """A port and who holds it."""

    place: Place
    to: str
    """The container's address."""
    holder: str
    """As the holder's rules name it."""
    mine: bool


def refuse_taken(
    host: cnisdk.Namespace,
    attachment: cnisdk.Attachment,
    forwards: Sequence[Forward],
    *,
    earlier_only: bool = False,
) -> None:
    """Raise an error naming who holds one of the ports (W-PM-8).

    Args:
        host: The host's namespace.
        attachment: Who wants the ports.
        forwards: The ports.
        earlier_only: Only holders whose rules come before ours; without ours there yet, all.
    """
    by_go = _portmap_nft.made_by_go(attachment, [each.container.ip for each in forwards])
    for layout in (_portmap_nft, _portmap_iptables):
        for where in layout.places(attachment):
            same_family = (each for each in forwards if each.family == where.family)
            wanted = [place for each in same_family for place, _ in each.places()]
            if not wanted:
                continue
            entries = host.rules(where, [layout.ENTRY], ports=[place.port for place in wanted])
            for claim in _claims(host, attachment, where, entries, by_go):
                if claim.mine and earlier_only:
                    break
                taken = [] if claim.mine else [p for p in wanted if p.overlaps(claim.place)]
                if taken:
                    raise errors.CniError(
                        f"portMappings: {claim.place} is already forwarded to {claim.to} "
                        f"for {claim.holder}",
                        details=f"{attachment} wants {taken[0]}; delete the other attachment, run GC "
                        "if its container is gone, or choose another hostPort or hostIP",
                    )


def _claims(
    host: cnisdk.Namespace,
    attachment: cnisdk.Attachment,
    where: cnisdk.RuleTable,
    entries: Sequence[cnisdk.FoundRule],
    by_go: Callable[[cnisdk.FoundRule], bool],
) -> Iterator[Claim]:
    """In the order of the rules."""
    inner: dict[str, list[cnisdk.FoundRule]] = {}
    chains = {rule.target for rule in entries} - {""}
    for rule in host.rules(where, chains) if chains else ():
        inner.setdefault(rule.chain, []).append(rule)
    for entry in entries:
        rules = inner.pop(entry.target, [])
        tag = next((r.comment for r in rules if attachment.is_tag(r.comment)), "")
        mine = attachment.owns(tag) if tag else entry.target in where.own_chains or by_go(entry)
        for rule in (entry, *rules):
            if found := forwarded(rule):
                yield Claim(*found, _holder(tag, entry.comment), mine)


def forwarded(rule: cnisdk.FoundRule) -> tuple[Place, str] | None:
    """The port a rule forwards, and the container's address; None for a rule that does not."""
    address, port, proto, to = None, 0, "", ""
    for statement in rule.text:
        what, _, value = statement.rpartition(" == " if " == " in statement else " to ")
        if what in _ADDRESSES and "/" not in value:
            address = ip_address(value)
        elif what.endswith(" dport") and what.partition(" ")[0] in PROTOCOLS:
            proto, port = what.partition(" ")[0], int(value)
        elif what == "dnat":
            to = value.rpartition(":")[0].strip("[]")
    return (Place(proto, port, address), to) if to and port else None


def _holder(tag: str, comment: str) -> str:
    found = _TAG.fullmatch(tag)
    if found:
        return f"container {found['id']}, interface {found['ifname']}, network {found['net']}"
    return comment or "a rule without a name"
