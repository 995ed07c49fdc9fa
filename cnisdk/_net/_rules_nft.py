"""Rules by nftables: one transaction for everything an attachment needs, over all tables."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from itertools import combinations
from typing import TYPE_CHECKING

import attrs

from cnisdk import errors
from cnisdk._names import Attachment, short_hash, stale_owners
from cnisdk._net import _nft
from cnisdk._net._attributes import attributes
from cnisdk._net._nft_wire import FAMILY_NAMES, Wire, WireChain, WireRule
from cnisdk._net._rule_owners import Leaving, complete, leaving, same_words
from cnisdk._net._rules import Also, FoundRule, Rule, RuleTable


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline

FAMILIES = {name: number for number, name in FAMILY_NAMES.items()}
_ANONYMOUS_SET = re.compile(rb"__(set|map)\d+")


@attrs.frozen
class NftRule:
    """A rule, and its handle."""

    found: FoundRule
    wire: WireRule


_Find = Callable[[RuleTable], Leaving[NftRule]]


@attrs.frozen
class _State:
    """What there is of a table; compared to see whether others changed it."""

    missing: tuple[str, ...]
    shared: tuple[tuple[str, str], ...]
    """Chain and text of the shared rules that are missing."""
    stale: Leaving[NftRule]
    own: tuple[str, ...]


def add(
    wire: Wire,
    attachment: Attachment,
    tables: Sequence[RuleTable],
    also: Also | None,
    *,
    containing: str = "",
    netns_fd: int | None = None,
    deadline: Deadline | None = None,
) -> None:
    """Make what the tables say, in place of what an earlier ADD has made."""
    before: object = None
    while True:
        states = [_state(wire, attachment, table, also, containing) for table in tables]
        script = [
            line
            for table, state in zip(tables, states, strict=True)
            for line in _script(table, attachment, state)
        ]
        try:
            _nft.run_text(
                script, purpose=f"add rules of {attachment}", netns_fd=netns_fd, deadline=deadline
            )
        except _nft.NftFailure:
            if states == before:
                raise
            before = states  # another ADD or DEL may have been faster: look again
        else:
            return


def remove(
    wire: Wire,
    attachment: Attachment,
    tables: Sequence[RuleTable],
    also: Also | None,
    *,
    containing: str = "",
) -> list[FoundRule]:
    """Remove the attachment's rules and chains; also what iptables-nft has made."""

    def find(table: RuleTable) -> Leaving[NftRule]:
        present = [c for c in table.own_chains if _has_chain(wire, table, c)]
        needles = _needles(attachment, table, also, containing)
        found = _rules_of(wire, table, table.chains, needles) + _rules_of(wire, table, present)
        going = leaving(table, found, present, attachment.owns, also)
        going.inner.extend(_rules_of(wire, table, [c for c in going.chains if c not in present]))
        return going

    return _sweep(wire, tables, find)


def retain(
    wire: Wire,
    network: str,
    valid: Collection[Attachment],
    tables: Sequence[RuleTable],
    also: Also | None,
) -> list[FoundRule]:
    """Remove the rules and chains of a network's attachments, but for the valid ones."""
    stale, prefix = stale_owners(network, valid), f"{short_hash(network)}-"

    def find(table: RuleTable) -> Leaving[NftRule]:
        family = FAMILIES[table.family]
        tagged = [r.chain for r in wire.rules(family, table.name, containing=prefix)]
        found = _rules_of(wire, table, table.chains)
        jumps = [each.found.target for each in found]
        chains = dict.fromkeys(
            each for each in (*tagged, *jumps) if each and each not in table.chains
        )
        return leaving(table, [*found, *_rules_of(wire, table, chains)], (), stale, also)

    return _sweep(wire, tables, find)


def read(
    wire: Wire, table: RuleTable, chains: Collection[str], ports: Collection[int] = ()
) -> list[FoundRule]:
    """The rules of some chains, or of all; with ports only such that may compare one of them."""
    # As packets hold a port, and as iptables' own matches do.
    needles = [struct.pack(order, port) for port in ports for order in ("!H", "=H")]
    return [each.found for each in _rules_of(wire, table, chains or ("",), needles)]


def expect(
    wire: Wire,
    attachment: Attachment,
    tables: Sequence[RuleTable],
    *,
    deadline: Deadline | None = None,
) -> None:
    """Raise `errors.CniError` naming the first rule or chain that is missing or altered.

    The rules are made in a namespace nobody sees, and what the kernel makes of them there is what it must
    have here: so any statement is compared exactly.
    """
    from cnisdk._net._setns import scratch  # noqa: PLC0415  # CHECK alone

    with scratch() as fd, Wire(fd) as apart:
        add(apart, attachment, tables, None, netns_fd=fd, deadline=deadline)
        for table in tables:
            _compare(wire, apart, attachment, table)


def has_shared(wire: Wire, table: RuleTable) -> bool:
    """Whether any of the chains that attachments share is there."""
    return any(_has_chain(wire, table, chain) for chain in table.chains)


def remove_unused(wire: Wire, table: RuleTable) -> None:
    """Remove the shared chains and what jumps there, if nothing but the shared rules is in them.

    In one transaction, which the kernel refuses when somebody has put a rule into a chain since.
    """
    built_in = {rule.chain for rule in table.shared} - set(table.chains)
    inside = _rules_of(wire, table, table.chains)
    shared = [rule for rule in table.shared if rule.chain in table.chains]
    chains = [chain for chain in table.chains if _has_chain(wire, table, chain)]
    if len(inside) > len(shared) or not chains:
        return
    jumps = [r for r in _rules_of(wire, table, built_in) if r.found.target in table.chains]
    family, own_table = FAMILIES[table.family], table.backend == "nftables"
    names = [*chains, *([""] if own_table else [])]
    with suppress(OSError):
        wire.delete(
            [
                *(rule.wire for rule in (*jumps, *inside)),
                *(WireChain(family, table.name, name, only_empty=True) for name in names),
            ]
        )


def _state(
    wire: Wire, attachment: Attachment, table: RuleTable, also: Also | None, containing: str
) -> _State:
    present = [c for c in table.own_chains if _has_chain(wire, table, c)]
    missing = tuple(chain for chain in table.chains if not _has_chain(wire, table, chain))
    there = [chain for chain in table.chains if chain not in missing]
    whole = {rule.chain for rule in table.shared}
    needles = _needles(attachment, table, also, containing)
    found = _rules_of(wire, table, [c for c in there if c not in whole], needles)
    found += _rules_of(wire, table, [*(c for c in there if c in whole), *present])
    absent = tuple((rule.chain, rule.text) for rule in table.shared if not _is_there(rule, found))
    stale = leaving(table, found, present, attachment.owns, also)
    if foreign := [chain for chain in present if chain not in stale.chains]:
        raise errors.CniError(
            f"chain {foreign[0]} of table {table.family} {table.name} belongs to somebody else"
        )
    return _State(missing, absent, stale, tuple(present))


def _script(table: RuleTable, attachment: Attachment, state: _State) -> Iterator[str]:
    where = f"{table.family} {table.name}"
    # Nothing is declared that exists: see _masquerade_nft.commands.
    if len(state.missing) == len(table.chains):
        comment = f' {{ comment "{table.comment}"; }}' if table.comment else ""
        yield f"add table {where}{comment}"
    for chain in state.missing:
        yield f"create chain {where} {chain}{_hook(table.chains[chain])}"
    for old in state.stale.rules:
        yield f"delete rule {where} {old.found.chain} handle {old.wire.handle}"
    for chain in state.own:
        yield f"flush chain {where} {chain}"
    for chain in state.stale.chains:
        if chain not in table.own_chains:
            yield f"delete chain {where} {chain}"
    for chain in table.own_chains:
        if chain not in state.own:
            yield f"create chain {where} {chain}"
    for rule in table.shared:
        if (rule.chain, rule.text) in state.shared:
            yield _line(where, rule)
    for rule in complete(table, attachment):
        yield _line(where, rule)


def _hook(hook: str) -> str:
    if not hook:
        return ""
    kind, point, priority = hook.split()
    return f" {{ type {kind} hook {point} priority {priority}; policy accept; }}"


def _line(where: str, rule: Rule) -> str:
    comment = f' comment "{rule.comment}"' if rule.comment else ""
    return f"{'insert' if rule.first else 'add'} rule {where} {rule.chain} {rule.text}{comment}"


def _sweep(wire: Wire, tables: Sequence[RuleTable], find: _Find) -> list[FoundRule]:
    gone: list[FoundRule] = []

    def doomed() -> list[WireRule | WireChain]:
        gone.clear()
        result: list[WireRule | WireChain] = []
        for table in tables:
            going = find(table)
            gone.extend(going.all())
            result += [rule.wire for rule in going.rules]
            result += [WireChain(FAMILIES[table.family], table.name, c) for c in going.chains]
        return result

    wire.delete_found(doomed)
    return gone


def _needles(
    attachment: Attachment, table: RuleTable, also: Also | None, containing: str
) -> list[bytes]:
    """What a rule must contain to be worth decoding."""
    texts = [attachment.key, *table.own_chains, *([containing] if also else [])]
    return [text.encode(errors="replace") for text in texts]


def _rules_of(
    wire: Wire, table: RuleTable, chains: Collection[str], needles: Sequence[bytes] = ()
) -> list[NftRule]:
    return [
        NftRule(
            FoundRule(
                backend=table.backend,
                family=table.family,
                table=table.name,
                chain=each.chain,
                comment=each.comment,
                text=each.text,
            ),
            each,
        )
        for chain in chains
        for each in wire.rules(FAMILIES[table.family], table.name, chain, containing=needles or "")
    ]


def _has_chain(wire: Wire, table: RuleTable, chain: str) -> bool:
    return wire.chain(FAMILIES[table.family], table.name, chain) is not None


def _is_there(rule: Rule, found: Sequence[NftRule]) -> bool:
    return any(
        each.found.chain == rule.chain
        and (
            same_words(rule.text, each.found.text)
            or (rule.comment and each.found.comment == rule.comment)
        )
        for each in found
    )


def _compare(wire: Wire, apart: Wire, attachment: Attachment, table: RuleTable) -> None:
    family, where = FAMILIES[table.family], f"table {table.family} {table.name}"
    for chain, hook in (*table.chains.items(), *((own, "") for own in table.own_chains)):
        found = wire.chain(family, table.name, chain)
        if found != hook:
            problem = "is missing" if found is None else f'is "{found}", not "{hook}"'
            raise errors.CniError(f"chain {chain} of {where} {problem}")
        whole = chain not in table.chains or any(rule.chain == chain for rule in table.shared)
        needles = () if whole else _needles(attachment, table, None, "")
        here = _rules_of(wire, table, [chain], needles)
        wanted = _rules_of(apart, table, [chain])
        if chain in table.chains:
            own = set(table.own_chains)
            mine = [r for r in here if attachment.owns(r.found.comment) or r.found.target in own]
            expected = [
                r for r in wanted if attachment.owns(r.found.comment) or r.found.target in own
            ]
            shared = [rule for rule in wanted if rule not in expected]
            _require(where, shared, [r for r in here if r not in mine], exactly=False)
            _require_order(where, wanted, here, shared)
            here, wanted = mine, expected
        _require(where, wanted, here, exactly=True)


def _require(
    where: str, wanted: Sequence[NftRule], here: Sequence[NftRule], *, exactly: bool
) -> None:
    rest = iter(here)
    for rule in wanted:
        form = _form(rule.wire.expressions)
        if exactly:
            other = next(rest, None)
            good = other is not None and _form(other.wire.expressions) == form
        else:
            other, good = None, any(_form(each.wire.expressions) == form for each in rest)
        if not good:
            text = " ".join(rule.found.text)
            problem = f'reads "{" ".join(other.found.text)}"' if other else "is missing or altered"
            raise errors.CniError(
                f'chain {rule.found.chain} of {where}: the rule "{text}" {problem}',
                details="`nft list ruleset` shows the rules as they are",
            )
    if exactly and (more := next(rest, None)) is not None:
        text = " ".join(more.found.text)
        raise errors.CniError(
            f'chain {more.found.chain} of {where} has a rule "{text}" that is not ADD\'s'
        )


def _require_order(
    where: str, wanted: Sequence[NftRule], here: Sequence[NftRule], shared: Sequence[NftRule]
) -> None:
    """Raise an error when one of the attachment's rules and a shared one have changed places."""
    found = [_form(each.wire.expressions) for each in here]
    forms = {id(rule): _form(rule.wire.expressions) for rule in wanted}
    for rule, later in combinations(wanted, 2):
        if (rule in shared) == (later in shared) or not {forms[id(rule)], forms[id(later)]} <= {
            *found
        }:
            continue
        if found.index(forms[id(rule)]) > found.index(forms[id(later)]):
            raise errors.CniError(
                f'chain {rule.found.chain} of {where}: the rule "{" ".join(rule.found.text)}" comes '
                f'after "{" ".join(later.found.text)}"',
                details="`nft list ruleset` shows the rules as they are",
            )


def _form(expressions: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Expressions without what changes by itself: counters, and the names of unnamed sets."""
    result: list[tuple[bytes, bytes]] = []
    for _, element in attributes(expressions):
        fields = dict(attributes(element))
        name = fields.get(1, b"")
        data = (
            b"" if name.startswith(b"counter") else _ANONYMOUS_SET.sub(b"__set", fields.get(2, b""))
        )
        result.append((name, data))
    return tuple(result)
