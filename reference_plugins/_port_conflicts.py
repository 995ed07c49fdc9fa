"""Which ports of the host others hold: read from the rules of both backends, ours and the Go plugin's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cnisdk
from cnisdk import errors
from reference_plugins import _portmap_iptables, _portmap_nft
from reference_plugins._port_mapping import Forward


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
        for table in layout.tables_of(attachment):
            same_family = [each for each in forwards if each.family == table.family]
            wanted = [port for each in same_family for port, _ in each.host_ports()]
            if not wanted:
                continue
            entries = host.rules(table, [layout.ENTRY], ports=[each.port for each in wanted])
            for held, to, holder in _held(
                host, attachment, table, entries, by_go, earlier_only=earlier_only
            ):
                if taken := [each for each in wanted if each.overlaps(held)]:
                    raise errors.CniError(
                        f"portMappings: {held} is already forwarded to {to} for {holder}",
                        details=f"{attachment} wants {taken[0]}; delete the other attachment, run GC "
                        "if its container is gone, or choose another hostPort or hostIP",
                    )


def _held(
    host: cnisdk.Namespace,
    attachment: cnisdk.Attachment,
    table: cnisdk.RuleTable,
    entries: Sequence[cnisdk.FoundRule],
    by_go: Callable[[cnisdk.FoundRule], bool],
    *,
    earlier_only: bool,
) -> Iterator[tuple[cnisdk.HostPort, str, str]]:
    """Ports of others, the container's address each leads to, and its holder, in the order of the rules."""
    chains = {rule.target for rule in entries} - {""}
    inner = host.rules(table, chains) if chains else []
    for entry in entries:
        rules = [each for each in inner if each.chain == entry.target]
        tag = next((each.comment for each in rules if attachment.is_tag(each.comment)), "")
        if attachment.owns(tag) if tag else entry.target in table.own_chains or by_go(entry):
            if earlier_only:
                return
        elif not attachment.shares_container(tag):  # which may have a port in two networks
            for found in map(cnisdk.HostPort.forwarded_by, (entry, *rules)):
                if found is not None:
                    yield *found, _holder(tag, entry.comment)


def _holder(tag: str, comment: str) -> str:
    owner = cnisdk.Attachment.from_tag(tag)
    if owner is None:
        return comment or "a rule without a name"
    return f"container {owner.container_id}, interface {owner.ifname}, network {owner.network}"
