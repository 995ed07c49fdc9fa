"""Forward ports of the host to a container, by nftables or iptables."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import attrs

import cnisdk
from cnisdk import capabilities, errors, on
from reference_plugins import _port_conflicts, _portmap_iptables, _portmap_nft
from reference_plugins._port_mapping import Forward


_BACKENDS: dict[str, Any] = {"nftables": _portmap_nft, "iptables": _portmap_iptables}


def _backend(_: object, _field: object, value: str | None) -> None:
    if value is not None and value not in _BACKENDS:
        raise ValueError(f'unrecognized backend "{value}"')


def _mark_bit(_: object, _field: object, value: int | None) -> None:
    if value is not None and not 0 <= value <= 31:
        raise ValueError("MasqMarkBit must be between 0 and 31")


def _single_line(_: object, _field: object, value: Any) -> None:
    if any("\n" in text for text in ([value] if isinstance(value, str) else value or ())):
        raise ValueError("must be on one line")


@cnisdk.config
class PortmapConf(cnisdk.NetConf):
    """Configuration of the portmap plugin."""

    backend: str | None = attrs.field(default=None, validator=_backend)
    """nftables or iptables; by default what the other keys are written for, else nftables where it is usable."""
    snat: bool = True
    """Masquerade what the container, its neighbours and the host itself send to a forwarded port."""
    masq_all: bool = False
    """Masquerade whatever is forwarded."""
    conditions_v4: Sequence[str] | None = attrs.field(default=None, validator=_single_line)
    """Further words of each IPv4 rule, of nft or iptables: only such packets are forwarded."""
    conditions_v6: Sequence[str] | None = attrs.field(default=None, validator=_single_line)
    """Further words of each IPv6 rule, of nft or iptables: only such packets are forwarded."""
    mark_masq_bit: int | None = attrs.field(default=None, validator=_mark_bit)
    """iptables: the bit of the packet mark that asks for masquerading, 0 to 31; 13 by default."""
    external_set_mark_chain: str | None = attrs.field(default=None, validator=_single_line)
    """iptables: the chain of somebody else who sets a mark and masquerades by it."""
    port_mappings: Sequence[capabilities.PortMapping] = cnisdk.capability(
        "portMappings", factory=list[capabilities.PortMapping], description="The ports to forward."
    )

    def __attrs_post_init__(self) -> None:
        if self.external_set_mark_chain is not None and self.mark_masq_bit is not None:
            raise ValueError("Cannot specify externalSetMarkChain and markMasqBit")
        for backend in _BACKENDS:
            foreign = self._keys_for(backend)
            if foreign and self.chosen_backend != backend:
                raise ValueError(
                    f"{self.chosen_backend} backend was requested but configuration contains "
                    f"{backend}-specific options [{' '.join(foreign)}]"
                )

    def _keys_for(self, backend: str) -> list[str]:
        """The keys that only this backend understands."""
        found = ["externalSetMarkChain"] if self.external_set_mark_chain is not None else []
        found = found if backend == "iptables" else []
        conditions = {"conditionsV4": self.conditions_v4, "conditionsV6": self.conditions_v6}
        for key, words in conditions.items():
            if words and (words[0][:1] in {"-", "!"}) == (backend == "iptables"):
                found.append(key)
        return found

    @property
    def chosen_backend(self) -> str:
        """The backend that is named, or that keys are written for; "" for any."""
        return self.backend or next((each for each in _BACKENDS if self._keys_for(each)), "")

    def forwards(self, prev: cnisdk.Result, ifname: str) -> list[Forward]:
        """What is to be forwarded, an entry for each family with an address.

        Raises:
            errors.CniError: the interface has no address.
        """
        found = prev.container_addresses(ifname)
        if not found:
            raise errors.CniError(
                f"portMappings: prevResult has no address of {ifname} to forward to"
            )
        return [Forward(found[v], self.port_mappings) for v in sorted(found)]


class Portmap(cnisdk.ChainedPlugin[PortmapConf]):
    """Forward ports of the host to a container, by nftables or iptables."""

    @on.add
    def attach(self, op: cnisdk.ChainedAdd[PortmapConf]) -> cnisdk.Result:
        """Refuse ports that others hold, forward, and have UDP clients look again."""
        cfg = op.config
        if not cfg.port_mappings:
            return op.prev_result
        forwards = cfg.forwards(op.prev_result, op.ifname)
        rules = _BACKENDS[cfg.chosen_backend or op.host.firewall_backend()]
        _port_conflicts.refuse_taken(op.host, op.attachment, forwards)
        tables = rules.tables(op.host, op.attachment, forwards, cfg)
        by_go = _portmap_nft.made_by_go(op.attachment, [each.container.ip for each in forwards])
        op.host.add_rules(op.attachment, tables, also=by_go, containing=op.container_id)
        # Another ADD may have claimed a port meanwhile: whose rules come later loses.
        _port_conflicts.refuse_taken(op.host, op.attachment, forwards, earlier_only=True)
        made = {(table.backend, table.family) for table in tables}
        others = [t for t in _tables_of(op.attachment) if (t.backend, t.family) not in made]
        op.host.remove_rules(op.attachment, others)
        for forward in forwards:
            if sysctl := _route_localnet(op.host, forward, cfg):
                op.host.set_sysctl(sysctl, "1")
            for port, _ in forward.host_ports():
                _forget(op, forward.version, port, not_answered_by=forward.container.ip)
        return op.prev_result

    @on.delete
    def detach(self, op: cnisdk.Del[PortmapConf]) -> None:
        """Remove the rules of either backend; nobody has to say which they were (W-PM-1, W-PM-7)."""
        prev = op.prev_result
        by_go = _portmap_nft.made_by_go(op.attachment, prev.addresses if prev else ())
        gone = op.host.remove_rules(
            op.attachment, _tables_of(op.attachment), also=by_go, containing=op.container_id
        )
        for rule in gone:
            if found := cnisdk.HostPort.forwarded_by(rule):
                port, old = found
                _forget(op, 6 if rule.family == "ip6" else 4, port, answered_by=ip_address(old))

    @on.check
    def verify(self, op: cnisdk.Check[PortmapConf]) -> None:
        """Compare every rule, shared ones too (W-PM-5)."""
        cfg = op.config
        if not cfg.port_mappings:
            return
        forwards = cfg.forwards(op.prev_result, op.ifname)
        rules = _BACKENDS[cfg.chosen_backend or _present(op) or op.host.firewall_backend()]
        tables = rules.expected(op.host, op.attachment, forwards, cfg)
        op.host.expect_rules(op.attachment, tables)
        # Without a link on the host the way to the container is that to anywhere, and may change.
        has_link = any(not each.sandbox for each in op.prev_result.interfaces)
        for forward in forwards if has_link else ():
            sysctl = _route_localnet(op.host, forward, cfg)
            if sysctl and op.host.sysctl(sysctl) != "1":
                raise errors.CniError(
                    f"{sysctl} is not 1: 127.0.0.1 does not lead to the container",
                    details=f"set it: sysctl -w net/{sysctl}=1",
                )

    @on.gc
    def collect(self, op: cnisdk.Gc[PortmapConf]) -> None:
        """Remove the rules of attachments that are not valid any more, the Go plugin's included."""
        network = op.network.name
        valid = {
            _portmap_iptables.comment(network, each.container_id) for each in op.valid_attachments
        }
        prefix = _portmap_iptables.comment(network, "").removesuffix('"')

        def by_go(rule: cnisdk.FoundRule) -> bool:
            return rule.comment.startswith(prefix) and rule.comment not in valid

        tables = _tables_of(cnisdk.Attachment(network, "", ""))  # chains of its own do not count
        op.host.retain_rules(network, op.valid_attachments, tables, also=by_go)

    @on.status
    def ready(self, op: cnisdk.Status[PortmapConf]) -> None:
        """Answer 50 when the backend cannot be used."""
        if problem := op.host.firewall_problem(op.config.chosen_backend or None):
            raise errors.PluginNotAvailable(problem)


def _tables_of(attachment: cnisdk.Attachment) -> list[cnisdk.RuleTable]:
    return [table for backend in _BACKENDS.values() for table in backend.tables_of(attachment)]


def _present(op: cnisdk.Check[PortmapConf]) -> str:
    """The backend that has the attachment's rules; "" when none has."""
    by_go = _portmap_nft.made_by_go(op.attachment, op.prev_result.addresses)
    for table in _tables_of(op.attachment):
        entries = op.host.rules(table, [_portmap_nft.ENTRY])
        if any(map(by_go, entries)) or op.host.rules(table, table.own_chains):
            return table.backend
    return ""


def _route_localnet(host: cnisdk.Namespace, forward: Forward, cfg: PortmapConf) -> str:
    """The sysctl that lets 127.0.0.1 lead to the container; "" where it need not."""
    wanted = forward.version == 4 and cfg.snat
    link = host.link_towards(forward.container.ip) if wanted else None
    return f"ipv4/conf/{link.name}/route_localnet" if link else ""


def _forget(
    op: cnisdk.Operation[PortmapConf],
    version: int,
    host_port: cnisdk.HostPort,
    **answers: cnisdk.IpAddress,
) -> None:
    """Have UDP clients of a port meet the rules again."""
    if host_port.proto != "udp":
        return
    try:
        op.host.forget_flows(version, "udp", host_port.port, address=host_port.address, **answers)
    except errors.CniError as failure:
        op.log.warning("connections not forgotten", port=host_port.port, reason=str(failure))
