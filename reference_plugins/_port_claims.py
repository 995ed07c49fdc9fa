"""Which attachment holds a port of the host: read from the rules of both backends, ours and the Go plugin's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs

import cnisdk
from cnisdk import errors
from reference_plugins import _portmap_iptables, _portmap_nft
from reference_plugins._port_mapping import Forward


@attrs.frozen
class Claim:
    """A port and who holds it."""

    place: cnisdk.HostPort
    to: str
    """The container's address."""
    holder: str
    """As the holder's rules name it."""
    mine: bool
    of_container: bool
    """Its holder is the same container: to have one port in two networks is no conflict."""


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
                if claim.mine or claim.of_container:
                    continue
                taken = [place for place in wanted if place.overlaps(claim.place)]
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
        of_container = attachment.shares_container(tag)
        for rule in (entry, *rules):
            if found := cnisdk.HostPort.forwarded_by(rule):
                yield Claim(*found, _holder(tag, entry.comment), mine, of_container)


def _holder(tag: str, comment: str) -> str:
    owner = cnisdk.Attachment.from_tag(tag)
    if owner is None:
        return comment or "a rule without a name"
    return f"container {owner.container_id}, interface {owner.ifname}, network {owner.network}"
