"""The rules of portmap in iptables: those of the Go plugin, which checks and removes ours, and we its.

They do not tell the interface. So the last rule of our chain does nothing but carry the owner tag; and a
second interface of a container on one network gets a chain of another name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import cnisdk
from cnisdk import Rule, RuleTable
from reference_plugins._port_mapping import Forward


if TYPE_CHECKING:
    from reference_plugins.portmap import PortmapConf

ENTRY = "CNI-HOSTPORT-DNAT"
_OLD_ENTRY = "CNI-HOSTPORT-SNAT"
_SET_MARK, _MASQUERADE = "CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ"
_DEFAULT_BIT = 13
_LONGEST_COMMENT = 255
_PORTS_A_RULE = 15
_CHAIN_LENGTH = 28
"""Of the name of a container's chain, in characters."""


def tables_of(attachment: cnisdk.Attachment) -> list[RuleTable]:
    """Where the attachment's rules are, or those of older Go plugins, in both families."""
    old = attachment.hashed_name("CNI-SN-", _CHAIN_LENGTH)
    return [
        RuleTable(
            backend="iptables",
            family=family,
            name="nat",
            chains={ENTRY: "", _OLD_ENTRY: ""},
            own_chains=(*_names(attachment), old),
        )
        for family in ("ip", "ip6")
    ]


def tables(
    host: cnisdk.Namespace,
    attachment: cnisdk.Attachment,
    forwards: Sequence[Forward],
    cfg: PortmapConf,
) -> list[RuleTable]:
    """What ADD makes."""
    result: list[RuleTable] = []
    for forward in forwards:
        chain, other = _names(attachment)
        where = RuleTable(backend="iptables", family=forward.family, name="nat")
        tags = {
            rule.chain: rule.comment
            for rule in host.rules(where, (chain, other))
            if attachment.is_tag(rule.comment)
        }
        taken = chain in tags and not attachment.owns(tags[chain])
        if taken or attachment.owns(tags.get(other, "")):
            chain = other
        result.append(_table(forward, attachment, chain, cfg))
    return result


expected = tables
"""What CHECK compares; the Go plugin makes the same."""


def comment(network: str, container_id: str) -> str:
    """What the rules that lead to a container's chain are commented with."""
    text = f'dnat name: "{network}" id: "{container_id}"'
    # W-PM-9: two characters less than the Go plugin leaves.
    return text if len(text) <= _LONGEST_COMMENT else text[: _LONGEST_COMMENT - 3] + "..."


def _names(attachment: cnisdk.Attachment) -> tuple[str, str]:
    """The Go plugin's, and the one for where another interface has that."""
    name = attachment.hashed_name
    return name("CNI-DN-", _CHAIN_LENGTH), name("CNI-DN-", _CHAIN_LENGTH, ifname=True)


def _table(
    forward: Forward, attachment: cnisdk.Attachment, chain: str, cfg: PortmapConf
) -> RuleTable:
    local = f"-m addrtype --dst-type LOCAL -j {ENTRY}"  # GHSA-jv3w-x3r3-g6rm
    chains = {ENTRY: ""}
    shared = [Rule("PREROUTING", local), Rule("OUTPUT", local)]
    if cfg.snat and cfg.external_set_mark_chain is None:
        bit = 1 << (_DEFAULT_BIT if cfg.mark_masq_bit is None else cfg.mark_masq_bit)
        mark, needed = f"{bit:#x}/{bit:#x}", "CNI portfwd requiring masquerade"
        chains |= {_SET_MARK: "", _MASQUERADE: ""}
        shared += [
            Rule(_SET_MARK, f"-j MARK --set-xmark {mark}", "CNI portfwd masquerade mark"),
            Rule(_MASQUERADE, f"-m mark --mark {mark} -j MASQUERADE"),
            Rule("POSTROUTING", f"-j {_MASQUERADE}", needed, first=True),
        ]
    return RuleTable(
        backend="iptables",
        family=forward.family,
        name="nat",
        chains=chains,
        shared=shared,
        own_chains=[chain],
        rules=[*_entries(forward, attachment, chain, cfg), *_chain_rules(forward, chain, cfg)],
    )


def _entries(
    forward: Forward, attachment: cnisdk.Attachment, chain: str, cfg: PortmapConf
) -> Iterator[Rule]:
    """The rules that lead to the chain: one for each protocol and 15 ports."""
    conditions = cfg.conditions_v4 if forward.version == 4 else cfg.conditions_v6
    words = "".join(f" {_quoted(word)}" for word in conditions or ())
    for proto in sorted({mapping.proto for mapping in forward.mappings}):
        ports = [str(each.host_port) for each in forward.mappings if each.proto == proto]
        for start in range(0, len(ports), _PORTS_A_RULE):
            some = ",".join(ports[start : start + _PORTS_A_RULE])
            text = f"-p {proto} -m multiport --dports {some}{words} -j {chain}"
            yield Rule(ENTRY, text, comment(attachment.network, attachment.container_id))


def _chain_rules(forward: Forward, chain: str, cfg: PortmapConf) -> Iterator[Rule]:
    mark = cfg.external_set_mark_chain or _SET_MARK
    sources: list[str] = []
    if cfg.snat:
        sources = ["" if cfg.masq_all else f"-s {forward.container.network} "]
        sources += ["-s 127.0.0.1/32 "] if forward.version == 4 and not cfg.masq_all else []
    for port, target in forward.host_ports():
        bound = f"-d {port.address}/{forward.container.max_prefixlen} " if port.address else ""
        match = f"{bound}-p {port.proto} -m {port.proto} --dport {port.port}"
        for source in sources:
            yield Rule(chain, f"{source}{match} -j {mark}")
        yield Rule(chain, f"{match} -j DNAT --to-destination {target}")


def _quoted(word: str) -> str:
    plain = word and not any(each.isspace() or each in "\"'\\" for each in word)
    return word if plain else '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
