"""Rules by iptables: one ``iptables-save`` and one ``iptables-restore`` for each family.

iptables-nft keeps its rules where `_rules_nft` reads and deletes them, so removing starts no process. Only
iptables-legacy does, where its table is in use.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import attrs

from cnisdk import errors
from cnisdk._names import Attachment, stale_owners
from cnisdk._net import _iptables, _rules_nft
from cnisdk._net._iptables_programs import legacy, required
from cnisdk._net._rule_owners import complete, leaving
from cnisdk._net._rules import Also, FoundRule, Rule, RuleTable
from cnisdk._net._setns import scratch


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline
    from cnisdk._net._nft_wire import Wire

TOOLS = {"ip": "iptables", "ip6": "ip6tables"}
_ATTEMPTS = 5
_HEADER_OPTIONS = {"-s", "-d", "-p", "-i", "-o"}

Normal = tuple[frozenset[str], tuple[str, ...]]
"""A rule for comparison: the options ``iptables-save`` puts first, and the rest in its order."""


@attrs.frozen
class LineRule:
    """A rule, and its line."""

    found: FoundRule
    line: str
    """Without ``-A``."""


@attrs.frozen
class Saved:
    """What there is in a table."""

    chains: frozenset[str]
    rules: tuple[LineRule, ...]


@attrs.frozen
class IptablesRules:
    """Rules of iptables in one network namespace."""

    wire: Wire | None
    netns_fd: int | None
    deadline: Deadline | None

    def add(self, attachment: Attachment, table: RuleTable, also: Also | None) -> None:
        """Make what the table says, in place of what an earlier ADD has made."""
        purpose = f"add rules of {attachment}"
        reader = required(f"{TOOLS[table.family]}-save", purpose)
        writer = required(f"{TOOLS[table.family]}-restore", purpose)
        _iptables.change(
            lambda: self.save(reader, table),
            lambda saved: self._restore(
                writer, _script(table, attachment, saved, also), table, purpose
            ),
        )

    def remove(
        self,
        attachment: Attachment,
        tables: Sequence[RuleTable],
        also: Also | None,
        containing: str,
    ) -> list[FoundRule]:
        """Remove the attachment's rules and chains."""
        gone: list[FoundRule] = []
        if self.wire:
            gone += _rules_nft.remove(self.wire, attachment, tables, also, containing=containing)
        return gone + self._sweep(tables, attachment.owns, also)

    def retain(
        self,
        network: str,
        valid: Collection[Attachment],
        tables: Sequence[RuleTable],
        also: Also | None,
    ) -> list[FoundRule]:
        """Remove the rules and chains of a network's attachments, but for the valid ones."""
        gone = _rules_nft.retain(self.wire, network, valid, tables, also) if self.wire else []
        return gone + self._sweep(tables, stale_owners(network, valid), also)

    def read(
        self, table: RuleTable, chains: Collection[str], ports: Collection[int]
    ) -> list[FoundRule]:
        """The rules of some chains, or of all; with ports only such that may compare one of them."""
        found = _rules_nft.read(self.wire, table, chains, ports) if self.wire else []
        if reader := self._legacy(table, "save"):
            found += [
                each.found
                for each in self.save(reader, table).rules
                if not chains or each.found.chain in chains
            ]
        return found

    def expect(self, attachment: Attachment, table: RuleTable) -> None:
        """Raise `errors.CniError` naming the first rule or chain that is missing or altered."""
        tool = TOOLS[table.family]
        purpose = f"check rules of {attachment}"
        here = self.save(required(f"{tool}-save", purpose), table)
        other = self._legacy(table, "save")
        if other and not {*table.chains, *table.own_chains} <= here.chains:
            here = self.save(other, table)
        wanted = [(each, _normal(_line(each))) for each in _laid_out(table, attachment)]
        problem = _difference(table, attachment, here, wanted)
        if problem:
            # The words may differ where the rules do not: have iptables say how it writes them.
            with scratch() as fd:
                apart = attrs.evolve(self, wire=None, netns_fd=fd)
                apart.add(attachment, table, None)
                made = apart.save(required(f"{tool}-save", purpose), table)
            wanted = [
                (Rule(each.found.chain, each.line), _normal(each.line)) for each in made.rules
            ]
            problem = _difference(table, attachment, here, wanted)
        if problem:
            raise errors.CniError(
                problem, details=f"`{tool}-save -t {table.name}` shows the rules as they are"
            )

    def _sweep(
        self, tables: Sequence[RuleTable], owned: Callable[[str], bool], also: Also | None
    ) -> list[FoundRule]:
        gone: list[FoundRule] = []
        for table in tables:
            programs = [self._legacy(table, action) for action in ("save", "restore")]
            if all(programs):
                gone += self._sweep_legacy(programs, table, owned, also)
        return gone

    def _sweep_legacy(
        self,
        programs: Sequence[str],
        table: RuleTable,
        owned: Callable[[str], bool],
        also: Also | None,
    ) -> list[FoundRule]:
        reader, writer = programs
        for attempt in range(_ATTEMPTS):
            saved = self.save(reader, table)
            present = [chain for chain in table.own_chains if chain in saved.chains]
            going = leaving(table, saved.rules, present, owned, also)
            script = [f"-D {rule.line}" for rule in going.rules]
            script += [f"-F {chain}" for chain in going.chains]
            script += [f"-X {chain}" for chain in going.chains]
            if not script:
                return []
            try:
                self._restore(writer, script, table, "remove rules")
            except errors.TryAgainLater:
                raise
            except errors.CniError:
                if attempt + 1 == _ATTEMPTS:
                    raise
            else:
                return going.all()
        return []

    def save(self, reader: str, table: RuleTable) -> Saved:
        """All of a table, by one process."""
        saved = _iptables.save(
            reader, "", table=table.name, netns_fd=self.netns_fd, deadline=self.deadline
        )
        rules = [
            LineRule(
                FoundRule(
                    backend="iptables",
                    family=table.family,
                    table=table.name,
                    chain=each.chain,
                    comment=each.comment,
                    text=each.text,
                ),
                each.line,
            )
            for each in saved.rules
        ]
        return Saved(saved.chains, tuple(rules))

    def _restore(self, writer: str, script: Sequence[str], table: RuleTable, purpose: str) -> None:
        _iptables.restore(
            writer,
            script,
            purpose,
            table=table.name,
            netns_fd=self.netns_fd,
            deadline=self.deadline,
        )

    def _legacy(self, table: RuleTable, action: str) -> str:
        return legacy(TOOLS[table.family], table.name, self.netns_fd, action)


def _script(table: RuleTable, attachment: Attachment, saved: Saved, also: Also | None) -> list[str]:
    present = [chain for chain in table.own_chains if chain in saved.chains]
    stale = leaving(table, saved.rules, present, attachment.owns, also)
    if foreign := [chain for chain in present if chain not in stale.chains]:
        raise errors.CniError(
            f"chain {foreign[0]} of the {table.name} table belongs to somebody else"
        )
    there = {(rule.found.chain, _normal(rule.line)) for rule in saved.rules}
    chains = [c for c in (*table.chains, *table.own_chains) if c not in saved.chains]
    obsolete = [chain for chain in stale.chains if chain not in table.own_chains]
    return [
        *(f"-N {chain}" for chain in chains),
        *(f"-D {rule.line}" for rule in stale.rules),
        *(f"-F {chain}" for chain in (*present, *obsolete)),
        *(f"-X {chain}" for chain in obsolete),
        *(
            _command(rule)
            for rule in table.shared
            if (rule.chain, _normal(_line(rule))) not in there
        ),
        *(_command(rule) for rule in complete(table, attachment)),
    ]


def _laid_out(table: RuleTable, attachment: Attachment) -> list[Rule]:
    """The rules in the order they have where there are no others."""
    result: list[Rule] = []
    for rule in (*table.shared, *complete(table, attachment)):
        result.insert(0 if rule.first else len(result), rule)
    return result


def _line(rule: Rule) -> str:
    comment = ""
    if rule.comment:
        escaped = rule.comment.replace("\\", "\\\\").replace('"', '\\"')
        comment = f' -m comment --comment "{escaped}"'
    return f"{rule.chain}{comment} {rule.text}".rstrip()


def _command(rule: Rule) -> str:
    line = _line(rule)
    if not rule.first:
        return f"-A {line}"
    chain, _, rest = line.partition(" ")
    return f"-I {chain} 1 {rest}"


def _normal(line: str) -> Normal:
    """A rule without its chain."""
    header: list[str] = []
    rest: list[str] = []
    words = iter(_iptables.words(line)[1:])
    for word in words:
        negation = word == "!"
        option = next(words, "") if negation else word
        if option in _HEADER_OPTIONS:
            header.append(f"{'! ' if negation else ''}{option} {next(words, '')}")
        else:
            rest += ["!", option] if negation else [option]
    return frozenset(header), tuple(rest)


def _difference(
    table: RuleTable,
    attachment: Attachment,
    here: Saved,
    wanted: Sequence[tuple[Rule, Normal]],
) -> str:
    """What is missing, altered or too much; "" when all is as it should be."""
    for chain in (*table.chains, *table.own_chains):
        if chain not in here.chains:
            return f"chain {chain} not found in iptables table {table.name}"
    for chain in dict.fromkeys(rule.chain for rule, _ in wanted):
        found = [_normal(r.line) for r in here.rules if r.found.chain == chain]
        needed = [(rule, form) for rule, form in wanted if rule.chain == chain]
        tagged = any(attachment.owns(r.found.comment) for r in here.rules if r.found.chain == chain)
        if chain in table.own_chains and not tagged:
            # Another implementation made the chain, and knows of no owner tag.
            needed = [(rule, form) for rule, form in needed if attachment.owner_tag not in form[1]]
        rest = list(found)
        for rule, form in needed:
            if form not in rest:
                return (
                    f"rule {rule.text or attachment.owner_tag} in chain {chain} "
                    f"not found in table {table.name}"
                )
            rest.remove(form)
        if late := _out_of_order(table, found, needed):
            return f"rule {late.text} in chain {chain} of table {table.name} comes too late"
        if chain in table.own_chains and (rest or found != [form for _, form in needed]):
            return f"chain {chain} of table {table.name} is not as ADD left it"
    return ""


def _out_of_order(
    table: RuleTable, found: Sequence[Normal], needed: Sequence[tuple[Rule, Normal]]
) -> Rule | None:
    """The first rule that comes after one it should come before, where one of the two is shared.

    Who accepts first has decided: what isolates, or is the administrator's, must not come after that.
    """
    shared = {_normal(_line(rule)) for rule in table.shared}
    for (rule, form), (_, later) in combinations(needed, 2):
        if (form in shared or later in shared) and found.index(form) > found.index(later):
            return rule
    return None
