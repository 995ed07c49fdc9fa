"""The rules of portmap in nftables.

Table, shared chains and comments are the Go plugin's, whose DEL so removes what forwards here. Its comment,
the container id, does not tell networks apart (W-PM-3). So each rule jumps to a chain that is named after the
attachment, and conditions stand in the rule that jumps, never in a shared one (W-PM-2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

import cnisdk
from cnisdk import Rule, RuleTable
from reference_plugins._port_mapping import Forward


if TYPE_CHECKING:
    from reference_plugins.portmap import PortmapConf

ENTRY = "hostports"
_LONGEST_COMMENT = 128
_SHARED = [
    # GHSA-jv3w-x3r3-g6rm: what is not sent to this host is none of our business.
    Rule("prerouting", "fib daddr type local jump hostports_all"),
    Rule("output", "fib daddr type local jump hostports_all"),
    Rule("hostports_all", "jump hostip_hostports"),
    Rule("hostports_all", "jump hostports"),
]


def tables_of(attachment: cnisdk.Attachment) -> list[RuleTable]:
    """Where the attachment's rules are, in both families."""
    return [_table(family, attachment) for family in ("ip", "ip6")]


def tables(
    _host: cnisdk.Namespace,
    attachment: cnisdk.Attachment,
    forwards: Sequence[Forward],
    cfg: PortmapConf,
) -> list[RuleTable]:
    """What ADD makes."""
    return [_table(each.family, attachment, _rules(attachment, each, cfg)) for each in forwards]


def expected(
    host: cnisdk.Namespace,
    attachment: cnisdk.Attachment,
    forwards: Sequence[Forward],
    cfg: PortmapConf,
) -> list[RuleTable]:
    """What CHECK compares: the Go plugin's rules where it was the one who made them."""
    by_go = made_by_go(attachment, [each.container.ip for each in forwards])
    result: list[RuleTable] = []
    for forward in forwards:
        table = _table(forward.family, attachment, _rules(attachment, forward, cfg))
        if not host.rules(table, table.own_chains) and any(map(by_go, host.rules(table, [ENTRY]))):
            table = _go_table(table, attachment.container_id, forward, cfg)
        result.append(table)
    return result


def made_by_go(
    attachment: cnisdk.Attachment, addresses: Sequence[cnisdk.IpAddress]
) -> Callable[[cnisdk.FoundRule], bool]:
    """Tells rules the Go plugin made for this container.

    Args:
        attachment: The container; the comment does not tell the network (W-PM-3).
        addresses: Its addresses on the network, which do; where there are none, any network's.
    """
    ends = [end for ip in addresses for end in (f" {ip} ", f" {ip}:", f"[{ip}]:")]

    def made(rule: cnisdk.FoundRule) -> bool:
        mine = not rule.target and rule.comment == attachment.container_id
        words = [f"{statement} " for statement in rule.text]
        return mine and (not ends or any(end in word for end in ends for word in words))

    return made


def _table(family: str, attachment: cnisdk.Attachment, rules: Sequence[Rule] = ()) -> RuleTable:
    return RuleTable(
        family=family,
        name="cni_hostport",
        comment="CNI portmap plugin",
        chains={
            "hostports": "",
            "hostip_hostports": "",
            "hostports_all": "",
            "prerouting": "nat prerouting -100",
            "output": "nat output -100",
            "masquerading": "nat postrouting 100",
        },
        shared=_SHARED,
        own_chains=_own_chains(attachment),
        rules=rules,
    )


def _go_table(table: RuleTable, cid: str, forward: Forward, cfg: PortmapConf) -> RuleTable:
    """The Go plugin's rules, as if all were shared: nothing in them but the comment tells whose they are."""
    container, ip = forward.container.ip, forward.family
    conditions = cfg.conditions_v4 if forward.version == 4 else cfg.conditions_v6
    base = " ".join([*(conditions or ()), "fib daddr type local jump hostports_all"])
    rules = [Rule("prerouting", base), Rule("output", base), *_SHARED[2:]]
    for match, target in _matches(forward):
        rules.append(Rule(ENTRY, f"{match} dnat to {target}", cid))
    everything = "0.0.0.0/0" if ip == "ip" else "::/0"
    sources = [everything if cfg.masq_all else str(container)] if cfg.snat else []
    sources += ["127.0.0.1"] if sources and ip == "ip" and not cfg.masq_all else []
    for source in sources:
        text = f"{ip} saddr {source} {ip} daddr {container} masquerade"
        rules.append(Rule("masquerading", text, cid))
    chains = {k: hook for k, hook in table.chains.items() if cfg.snat or k != "masquerading"}
    return attrs.evolve(table, chains=chains, shared=rules, own_chains=(), rules=())


def _matches(forward: Forward) -> Iterator[tuple[str, str]]:
    """What tells a port of the host, and where it leads."""
    for port, target in forward.host_ports():
        bound = f"{forward.family} daddr {port.address} " if port.address else ""
        yield f"{bound}{port.proto} dport {port.port}", target


def _own_chains(attachment: cnisdk.Attachment) -> tuple[str, str]:
    return f"dnat-{attachment.key}", f"masq-{attachment.key}"


def _rules(attachment: cnisdk.Attachment, forward: Forward, cfg: PortmapConf) -> list[Rule]:
    container, ip = forward.container, forward.family
    dnat, masquerade = _own_chains(attachment)
    cid = attachment.container_id
    comment = cid if len(cid) <= _LONGEST_COMMENT else None
    conditions = cfg.conditions_v4 if container.version == 4 else cfg.conditions_v6
    rules: list[Rule] = []
    for match, target in _matches(forward):
        jump = " ".join([*(conditions or ()), match, f"jump {dnat}"])
        rules += [Rule(ENTRY, jump, comment), Rule(dnat, f"{match} dnat to {target}")]
    sources: list[str] = []
    if cfg.snat:
        # W-PM-11: neighbours too, whose answers would not come back through the host.
        sources = ["" if cfg.masq_all else f"{ip} saddr {container.network} "]
        sources += ["ip saddr 127.0.0.1 "] if ip == "ip" and not cfg.masq_all else []
        rules.append(Rule(masquerade, "ct status dnat masquerade"))
    for source in sources:
        jump = f"{source}{ip} daddr {container.ip} jump {masquerade}"
        rules.append(Rule("masquerading", jump, comment))
    return rules
