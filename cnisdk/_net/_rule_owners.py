"""Which rules and chains of a table go with an attachment, and what a table should have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Generic, Protocol, TypeVar

import attrs

from cnisdk._names import Attachment
from cnisdk._net._rules import Also, FoundRule, Rule, RuleTable


class Located(Protocol):
    """A rule, and where to delete it."""

    @property
    def found(self) -> FoundRule: ...


_L = TypeVar("_L", bound=Located)
Owned = Callable[[str], bool]
"""Whether an owner tag is one of those that go."""


@attrs.frozen
class Leaving(Generic[_L]):
    """What goes: rules of shared chains, then chains with all that is in them."""

    rules: list[_L]
    chains: list[str]
    inner: list[_L]
    """The rules in those chains."""

    def all(self) -> list[FoundRule]:
        """Every rule that goes."""
        return [each.found for each in (*self.rules, *self.inner)]


def leaving(
    table: RuleTable, rules: Sequence[_L], present: Collection[str], owned: Owned, also: Also | None
) -> Leaving[_L]:
    """What goes of a table.

    Args:
        table: Names the shared chains and, in DEL, the attachment's own.
        rules: The rules of those chains.
        present: Those of its own chains that exist; one without tag is the attachment's by its name.
        owned: Tells tags of what goes.
        also: Tells rules without tag that go too, and with them the chain they jump to.
    """
    shared = {*table.chains, *(rule.chain for rule in table.shared)}
    fate = {**dict.fromkeys(present, True), **_decided(rules, shared, owned)}
    going: list[_L] = []
    staying: set[str] = set()
    untagged: set[str] = set()
    for rule in rules:
        found = rule.found
        if found.chain not in shared:
            continue
        if found.target in fate:
            goes = fate[found.target]
        elif Attachment.is_tag(found.comment):
            goes = owned(found.comment)
        else:
            goes = also is not None and found.target not in shared and also(found)
        if goes:
            going.append(rule)
        if found.target and found.target not in shared and found.target not in fate:
            (untagged if goes else staying).add(found.target)
    doomed = {chain for chain, goes in fate.items() if goes} | (untagged - staying)
    order = [chain for chain in table.own_chains if chain in doomed]
    order += sorted(doomed - set(order))
    return Leaving(going, order, [rule for rule in rules if rule.found.chain in doomed])


def _decided(rules: Sequence[_L], shared: Collection[str], owned: Owned) -> dict[str, bool]:
    """Chains in which a rule carries a tag: whether they go."""
    fate: dict[str, bool] = {}
    for rule in rules:
        chain, comment = rule.found.chain, rule.found.comment
        if chain not in shared and Attachment.is_tag(comment):
            fate[chain] = owned(comment)
    return fate


def complete(table: RuleTable, attachment: Attachment) -> tuple[Rule, ...]:
    """The attachment's rules with their comments, and one with the tag for each chain without."""
    tag, result = attachment.owner_tag, list[Rule]()
    plain = table.backend == "iptables"
    for rule in table.rules:
        comment = rule.comment
        if comment is None:
            own = rule.chain in table.own_chains or any(
                rule.text.endswith(f" {chain}") for chain in table.own_chains
            )
            comment = "" if plain and own else tag
        result.append(attrs.evolve(rule, comment=comment))
    tagged = {rule.chain for rule in result if rule.comment == tag}
    marker = "" if plain else "continue"
    return (*result, *(Rule(c, marker, tag) for c in table.own_chains if c not in tagged))


def same_words(declared: str, found: Sequence[str]) -> bool:
    """Whether a rule of nftables reads as it was declared."""
    return " ".join(found).replace(" == ", " ") == " ".join(declared.split()).replace(" == ", " ")
