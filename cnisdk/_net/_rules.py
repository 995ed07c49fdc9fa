"""Packet-filter rules as plugins describe them: which table, what is shared, what is the attachment's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs


@attrs.frozen
class Rule:
    """One rule of a chain."""

    chain: str
    """The chain it is in."""
    text: str
    """In the tool's own words: ``ip saddr 10.1.2.3 jump checks`` for nftables,
    ``-s 10.1.2.3/32 -j CHECKS`` for iptables, best as ``iptables-save`` writes it."""
    comment: str | None = None
    """Up to 128 characters for nftables, 255 for iptables. None: the owner tag where the rule needs one,
    which is nftables' rules of an attachment, and those of iptables outside of its own chains."""
    first: bool = False
    """Put it at the top of the chain instead of at its end."""


@attrs.frozen(kw_only=True)
class RuleTable:
    """What an attachment needs in one table of nftables or iptables.

    An attachment is found by its owner tag: in the comments of its rules, and in its own chains, where a
    rule that does nothing else carries the tag if no other one does. Rules elsewhere that jump to one of
    its own chains are its own too, whatever their comment. So a plugin can make the very rules that
    another implementation makes, and still knows whose they are.

    A plugin describes what should be there, and the verbs of `Namespace` make it, compare it, and remove it::

        def table(attachment: cnisdk.Attachment, address: str = "") -> cnisdk.RuleTable:
            own = f"drop-{attachment.key}"
            return cnisdk.RuleTable(
                name="my_plugin",
                chains={"forward": "filter forward 0", "checks": ""},
                shared=[cnisdk.Rule("forward", "jump checks")],
                own_chains=[own],
                rules=[
                    cnisdk.Rule("checks", f"ip saddr {address} jump {own}"),
                    cnisdk.Rule(own, "tcp dport 25 drop"),
                ],
            )

        op.host.add_rules(op.attachment, [table(op.attachment, address)])  # ADD
        op.host.expect_rules(op.attachment, [table(op.attachment, address)])  # CHECK
        op.host.remove_rules(op.attachment, [table(op.attachment)])  # DEL: rules do not matter
        op.host.retain_rules(op.network.name, op.valid_attachments, [...])  # GC
    """

    backend: str = attrs.field(
        default="nftables", validator=attrs.validators.in_(("nftables", "iptables"))
    )
    """``nftables`` or ``iptables``."""
    family: str = attrs.field(
        default="ip", validator=attrs.validators.in_(("ip", "ip6", "inet", "bridge"))
    )
    """``ip`` or ``ip6``; for nftables also ``inet`` or ``bridge``."""
    name: str
    """The table; for iptables ``nat``, ``filter`` or ``mangle``."""
    comment: str = ""
    """Of a table of nftables, when it is made."""
    chains: Mapping[str, str] = attrs.field(factory=dict[str, str])
    """Chains that attachments share, made where they are missing and never removed: name -> "" or, for
    nftables, type, hook and priority such as ``nat prerouting -100``. Not those built into iptables."""
    shared: Sequence[Rule] = ()
    """Rules that attachments share, made where they are missing and never removed."""
    own_chains: Sequence[str] = ()
    """Chains of this attachment alone; one that jumps to another comes first."""
    rules: Sequence[Rule] = ()
    """Rules of this attachment: in its own chains, and in those of ``chains``."""


@attrs.frozen(kw_only=True)
class FoundRule:
    """A rule as it is in the kernel."""

    backend: str
    """``nftables`` or ``iptables``."""
    family: str
    """``ip``, ``ip6``, ``inet`` or ``bridge``."""
    table: str
    """The table's name."""
    chain: str
    """The chain's name."""
    comment: str
    """"" without one."""
    text: tuple[str, ...]
    """A string a statement, in nft's words whatever the backend, such as ``("tcp dport == 80", "jump web")``;
    counters are left out, and what is not understood starts with a question mark."""

    @property
    def target(self) -> str:
        """The chain it jumps or goes to; "" for none."""
        for statement in self.text:
            verdict, _, chain = statement.partition(" ")
            if verdict in {"jump", "goto"}:
                return chain
        return ""


Also = Callable[[FoundRule], bool]
"""Tells rules without owner tag, made by another implementation, that are the attachment's too."""
