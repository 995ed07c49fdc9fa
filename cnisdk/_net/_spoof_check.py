"""The MAC spoof check: frames from a container's host-side link must carry the container's MAC.

The shape is the Go bridge plugin's, so either removes what the other made: in table ``bridge nat``
a rule in the base chain PREROUTING jumps for the link to ``cni-br-iface-<id>``, that to
``cni-br-iface-<id>-mac``, which returns for the right MAC and drops the rest. The id is
``<container id>-<ifname>`` and stands in the comment ``macspoofchk-<id>``.

Two departures:

- The id does not tell the network, which GC must know. So ``cni-br-iface-<id>`` has a second rule,
  a ``return`` where the chain ends anyway, whose comment is the attachment's owner tag. Checks the
  Go plugin made have no tag: DEL removes them, GC leaves them alone.
- nft comments end at 128 characters. Where the id would be longer (a container id beyond 100), and
  where it could be another interface's (``a`` and ``b-eth0``, ``a-b`` and ``eth0``; one called
  ``mac``, for whose chain it would be), the id is the attachment's two hashes,
  ``<network>-<instance>``. DEL looks for both forms.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from cnisdk import errors
from cnisdk._names import Attachment, stale_owners
from cnisdk._net import _nft
from cnisdk._net._nft_wire import BRIDGE, Wire, WireChain, WireRule


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline

TABLE = "nat"
BASE = "PREROUTING"
BASE_HOOK = "filter prerouting -300"

_WHERE = {"family": "bridge", "table": TABLE}
_CHAIN_PREFIX = "cni-br-iface-"
_LONGEST_CHAIN = 255
_KEY_LENGTH = 33


def identifier(attachment: Attachment) -> str:
    """What names the attachment in chain names and comments."""
    plain, ifname = _plain(attachment), attachment.ifname
    too_long = len(_comment(plain).encode(errors="replace")) > _nft.LONGEST_COMMENT
    return attachment.key if too_long or "-" in ifname or ifname == "mac" else plain


def add(
    wire: Wire,
    attachment: Attachment,
    ifname: str,
    mac: str,
    *,
    netns_fd: int | None = None,
    deadline: Deadline | None = None,
) -> None:
    """Let only frames with this source MAC in by the host-side link; replaces an earlier check."""
    chain = _CHAIN_PREFIX + identifier(attachment)
    before: object = None
    while True:
        stale = [rule for rule in _rules(wire, chain) if rule.chain == BASE]
        existing = {
            name
            for name in (BASE, chain, f"{chain}-mac")
            if wire.chain(BRIDGE, TABLE, name) is not None
        }
        try:
            _nft.run(
                commands(attachment, ifname, mac, stale=stale, existing=existing),
                purpose=f"install the MAC spoof check of {ifname}",
                netns_fd=netns_fd,
                deadline=deadline,
            )
        except _nft.NftFailure:
            if (stale, existing) == before:
                raise
            before = (stale, existing)
        else:
            return


def commands(
    attachment: Attachment,
    ifname: str,
    mac: str,
    *,
    stale: Sequence[WireRule] = (),
    existing: Collection[str] = (),
) -> list[dict[str, Any]]:
    """The transaction of an ADD.

    Args:
        attachment: Whose check.
        ifname: The host-side link.
        mac: The only source MAC to let in.
        stale: Rules in PREROUTING of an earlier ADD.
        existing: Those of the chains that are there.
    """
    name = identifier(attachment)
    comment, chain = _comment(name), _CHAIN_PREFIX + name
    iifname = {"meta": {"key": "iifname"}}
    source = {"payload": {"protocol": "ether", "field": "saddr"}}
    hook = {"type": "filter", "hook": "prerouting", "prio": -300, "policy": "accept"}
    # Nothing is declared that exists; see _masquerade_nft.commands.
    new = [
        {"add": {"chain": {**_WHERE, "name": each, **options}}}
        for each, options in ((BASE, hook), (chain, {}), (f"{chain}-mac", {}))
        if each not in existing
    ]
    if BASE not in existing:
        new.insert(0, {"add": {"table": {"family": "bridge", "name": TABLE}}})
    return [
        *new,
        *({"flush": {"chain": {**_WHERE, "name": n}}} for n in existing if n != BASE),
        *({"delete": {"rule": {**_WHERE, "chain": BASE, "handle": r.handle}}} for r in stale),
        _rule(BASE, comment, _equal(iifname, ifname), {"jump": {"target": chain}}),
        _rule(chain, comment, {"jump": {"target": f"{chain}-mac"}}),
        _rule(chain, attachment.owner_tag, {"return": None}),
        _rule(f"{chain}-mac", comment, _equal(source, mac.lower()), {"return": None}),
        _rule(f"{chain}-mac", comment, {"drop": None}),
    ]


def remove(wire: Wire, attachment: Attachment) -> None:
    """Remove the attachment's check, whoever made it."""

    def found() -> list[WireRule | WireChain]:
        doomed: list[WireRule | WireChain] = []
        for chain in _possible_chains(attachment):
            rules = _rules(wire, chain)
            tags = [rule.comment for rule in rules if rule.chain == chain]
            if any(_is_owner_tag(tag) and not attachment.owns(tag) for tag in tags):
                continue  # another network's interface of that name: a failed ADD is being undone
            doomed += _with_chains(wire, rules, chain)
        return doomed

    wire.delete_found(found)


def retain(wire: Wire, network: str, valid: Collection[Attachment]) -> None:
    """Remove the checks of a network that belong to no valid attachment."""
    is_stale = stale_owners(network, valid)

    def stale() -> list[WireRule | WireChain]:
        rules = wire.rules(BRIDGE, TABLE, containing=_CHAIN_PREFIX)
        chains = {rule.chain for rule in rules if is_stale(rule.comment)}
        jumps = {f"jump {chain}": chain for chain in chains}
        doomed: list[WireRule | WireChain] = [
            rule for rule in rules if rule.chain == BASE and not jumps.keys().isdisjoint(rule.text)
        ]
        for chain in sorted(chains):
            doomed += _with_chains(wire, [], chain)
        return doomed

    wire.delete_found(stale)


def expect(
    wire: Wire, attachment: Attachment, ifname: str, mac: str, *, tagged: bool = False
) -> None:
    """Raise `errors.CniError` naming the first rule that is missing or was changed.

    Args:
        wire: The packet filter.
        attachment: Whose check.
        ifname: The host-side link.
        mac: The only source MAC to let in.
        tagged: Whether it must have the owner tag.
    """
    chain = next(
        (name for name in _possible_chains(attachment) if _rules(wire, name)),
        _CHAIN_PREFIX + identifier(attachment),
    )
    rules = _rules(wire, chain)
    expected: tuple[tuple[str, list[tuple[str, ...]]], ...] = (
        (BASE, [(f"iifname == {ifname}", f"jump {chain}")]),
        (chain, [(f"jump {chain}-mac",)]),
        (f"{chain}-mac", [(f"ether saddr == {mac.lower()}", "return"), ("drop",)]),
    )
    for place, wanted in expected:
        here = [rule for rule in rules if rule.chain == place]
        found = [rule.text for rule in here if not attachment.owns(rule.comment)]
        if place == chain and tagged and len(found) == len(here):
            wanted.append((f"return, with the comment {attachment.owner_tag}",))
        if place == chain and here and attachment.owns(here[0].comment):
            found.insert(0, here[0].text)  # the tag's rule ends the chain
        if found != wanted:
            raise errors.CniError(
                f"MAC spoof check of {ifname}: chain {place} should have "
                f"{_readable(wanted)} for {attachment}, but has {_readable(found)}",
                details=f"expected in table bridge {TABLE}",
            )
    hook = wire.chain(BRIDGE, TABLE, BASE)
    if hook != BASE_HOOK:
        raise errors.CniError(
            f"MAC spoof check of {ifname}: chain {BASE} of table bridge {TABLE} should be "
            f'"{BASE_HOOK}", but is "{hook}"'
        )


def _plain(attachment: Attachment) -> str:
    return f"{attachment.container_id}-{attachment.ifname}"


def _comment(name: str) -> str:
    return f"macspoofchk-{name}"


def _possible_chains(attachment: Attachment) -> list[str]:
    """Its own, then the Go plugin's and what else it may have been."""
    names = dict.fromkeys((identifier(attachment), _plain(attachment), attachment.key))
    # One that ends so would be the MAC chain of another interface.
    chains = [_CHAIN_PREFIX + name for name in names if not name.endswith("-mac")]
    return [c for c in chains if len(f"{c}-mac".encode(errors="replace")) <= _LONGEST_CHAIN]


def _is_owner_tag(comment: str) -> bool:
    return comment[_KEY_LENGTH:].startswith(", net: ")


def _rules(wire: Wire, chain: str) -> list[WireRule]:
    """Rules of the chain and its MAC chain, and those of PREROUTING that lead there."""
    return [
        rule
        for rule in wire.rules(BRIDGE, TABLE, containing=chain)
        if rule.chain in {chain, f"{chain}-mac"}
        or (rule.chain == BASE and f"jump {chain}" in rule.text)
    ]


def _with_chains(wire: Wire, rules: Sequence[WireRule], chain: str) -> list[WireRule | WireChain]:
    """Rules in PREROUTING, then the chains in the order in which they jump."""
    doomed: list[WireRule | WireChain] = [rule for rule in rules if rule.chain == BASE]
    doomed += [
        WireChain(BRIDGE, TABLE, each)
        for each in (chain, f"{chain}-mac")
        if wire.chain(BRIDGE, TABLE, each) is not None
    ]
    return doomed


def _rule(chain: str, comment: str, *statements: dict[str, Any]) -> dict[str, Any]:
    return {
        "add": {"rule": {**_WHERE, "chain": chain, "expr": list(statements), "comment": comment}}
    }


def _equal(left: dict[str, Any], right: str) -> dict[str, Any]:
    return {"match": {"op": "==", "left": left, "right": right}}


def _readable(rules: Sequence[tuple[str, ...]]) -> str:
    return ", ".join(f'"{" ".join(rule)}"' for rule in rules) or "no such rule"
