"""Let the traffic of containers through the host's firewall, and keep bridges apart."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

import cnisdk
from cnisdk import errors, on, versions
from reference_plugins import _firewalld
from reference_plugins._firewall_rules import (
    IsOwner,
    Wanted,
    all_tables,
    expect_isolation,
    owned_addresses,
    plain_rules,
    source_of,
)


_BACKENDS = ("iptables", "nftables", "firewalld")
_POLICIES = ("", "open", "same-bridge", "isolated")
_BRIDGE_NF_CALL = "bridge/bridge-nf-call-iptables"
_CHAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,27}")
# It is written into rules unquoted.
_SAFE_IFNAME = re.compile(r"[^\s\"'\\;/]{1,15}")


def _chain(_: object, _field: object, value: str) -> None:
    if value and not _CHAIN.fullmatch(value):
        raise ValueError(
            'must be the name of a chain: a letter or "_", and at most 27 letters, digits, ".", '
            f'"_" or "-", got "{value}"'
        )


@cnisdk.config
class FirewallConf(cnisdk.NetConf):
    """Configuration of the firewall plugin."""

    backend: str = ""
    """iptables, nftables or firewalld; by default firewalld where it runs, else iptables."""
    iptables_admin_chain_name: str = attrs.field(default="", validator=_chain)
    """Chain for the administrator's own rules, which come first; by default CNI-ADMIN."""
    firewalld_zone: str = ""
    """Zone of firewalld the addresses are put into; by default trusted."""
    ingress_policy: str = ""
    """open; same-bridge: nothing from other bridges; isolated: nothing from the same bridge, either."""

    @property
    def admin_chain(self) -> str:
        """The administrator's chain."""
        return self.iptables_admin_chain_name or "CNI-ADMIN"

    @property
    def zone(self) -> str:
        """The zone of firewalld."""
        return self.firewalld_zone or "trusted"

    @property
    def policy(self) -> str:
        """same-bridge, isolated, or "" for none."""
        if self.ingress_policy not in _POLICIES:
            raise errors.InvalidConfig(
                f'unknown ingress policy: "{self.ingress_policy}"',
                details="ingressPolicy must be open, same-bridge or isolated",
            )
        return self.ingress_policy if self.ingress_policy in _POLICIES[2:] else ""


class Firewall(cnisdk.ChainedPlugin[FirewallConf], supported_versions=versions.since("0.3.0")):
    """Let the traffic of containers through the host's firewall, and keep bridges apart."""

    @on.add
    def attach(self, op: cnisdk.ChainedAdd[FirewallConf]) -> cnisdk.Result:
        """Let every address of prevResult through, and apply the policy to its bridge."""
        cfg = op.config
        wanted = _wanted(op)
        if wanted.policy == "isolated" and op.host.sysctl(_BRIDGE_NF_CALL) != "1":
            op.log.warning(
                "containers on the bridge are not isolated from each other",
                remedy=f"modprobe br_netfilter; sysctl -w net/{_BRIDGE_NF_CALL}=1",
            )
        tables = wanted.tables(recorded=wanted.backend != "firewalld" or _has_nftables(op.host))
        also = plain_rules(wanted.addresses)
        if tables:
            op.host.add_rules(op.attachment, tables, also=also)
        # Their owners are known by now, should this be the last that happens.
        if wanted.backend == "firewalld":
            for source in wanted.sources:
                if _firewalld.add(op.deadline, cfg.zone, source):
                    op.on_rollback(_firewalld.remove, op.deadline, cfg.zone, source)
        return op.prev_result

    @on.delete
    def detach(self, op: cnisdk.Del[FirewallConf]) -> None:
        """Remove what is the attachment's, whatever the configuration says by now (W-FW-1)."""
        tables = all_tables(op.config.admin_chain)
        known = op.prev_result.addresses if op.prev_result is not None else ()
        going = _forget_addresses(op, tables, op.attachment.owns, from_prev_result=known)
        op.host.remove_rules(op.attachment, tables, also=plain_rules(going))

    @on.check
    def verify(self, op: cnisdk.Check[FirewallConf]) -> None:
        """Compare sources and rules with what ADD makes."""
        wanted = _wanted(op)
        tagged, _ = owned_addresses(op.host, wanted.tables(), op.attachment.owns)
        # SPEC section 2, CHECK: what later plugins have added is theirs. The Go plugin tags nothing.
        own = {ip.address.ip for ip in op.prev_result.ips_of(op.ifname, op.netns.path)}
        ours = tagged or own or set(wanted.addresses)
        wanted = attrs.evolve(wanted, addresses=tuple(x for x in wanted.addresses if x in ours))
        if wanted.backend == "firewalld":
            for source in wanted.sources:
                _firewalld.expect(op.deadline, op.config.zone, source)
        made_by_go = not tagged and wanted.backend != "nftables"
        if not made_by_go:
            op.host.expect_rules(op.attachment, wanted.tables())
        else:
            op.host.expect_rules(op.attachment, wanted.tables(recorded=False))
            expect_isolation(op.host, wanted)

    @on.gc
    def collect(self, op: cnisdk.Gc[FirewallConf]) -> None:
        """Remove what belongs to attachments that are not valid any more."""
        tables = all_tables(op.config.admin_chain)
        going = _forget_addresses(op, tables, op.is_stale)
        network, valid = op.network.name, op.valid_attachments
        op.host.retain_rules(network, valid, tables, also=plain_rules(going))

    @on.status
    def ready(self, op: cnisdk.Status[FirewallConf]) -> None:
        """Answer 50 when the backend cannot be used."""
        backend = _backend(op)
        if backend == "firewalld":
            running = _firewalld.is_running(op.deadline)
            problem = "" if running else "firewalld does not run, or is not on the system bus"
        else:
            problem = op.host.firewall_problem(backend)
        if not problem and op.config.policy and backend != "nftables":
            problem = op.host.firewall_problem("iptables")
        if problem:
            raise errors.PluginNotAvailable(f"backend {backend}: {problem}")


def _backend(op: cnisdk.Operation[FirewallConf]) -> str:
    """The backend: firewalld where it runs, else iptables; nftables where that is all there is."""
    backend = op.config.backend
    if not backend:
        if _firewalld.is_running(op.deadline):
            return "firewalld"
        missing = op.host.firewall_problem("iptables")
        return "nftables" if missing and _has_nftables(op.host) else "iptables"
    if backend not in _BACKENDS:  # W-FW-5
        raise errors.InvalidConfig(
            f'unrecognized backend "{backend}"',
            details=f"backend must be one of {', '.join(_BACKENDS)}, or absent",
        )
    return backend


def _has_nftables(host: cnisdk.Namespace) -> bool:
    try:
        return host.firewall_backend() == "nftables"
    except errors.CniError:
        return False


def _wanted(op: cnisdk.ChainedAdd[FirewallConf] | cnisdk.Check[FirewallConf]) -> Wanted:
    """What the configuration asks for, before anything is changed (W-FW-3)."""
    policy = op.config.policy
    return Wanted(
        backend=_backend(op),
        admin=op.config.admin_chain,
        addresses=op.prev_result.addresses,
        policy=policy,
        bridge=_bridge(op.host, op.prev_result, policy) if policy else "",
    )


def _bridge(host: cnisdk.Namespace, result: cnisdk.Result, policy: str) -> str:
    """The first bridge of the result, or else its first interface, as in Go (W-FW-3)."""
    if not result.interfaces:
        raise errors.InvalidConfig(
            f'interface needs to be set for ingress policy "{policy}", make sure to chain '
            '"firewall" plugin with "bridge"'
        )
    names = [each.name for each in result.interfaces if not each.sandbox]
    links = [host.link(name) for name in names if _SAFE_IFNAME.fullmatch(name)]
    bridges = [link.name for link in links if link is not None and link.kind == "bridge"]
    name = bridges[0] if bridges else result.interfaces[0].name
    if not _SAFE_IFNAME.fullmatch(name):
        raise errors.InvalidConfig(
            f'got no bridge name but "{name}"' if name else "got empty bridge name"
        )
    return name


def _forget_addresses(
    op: cnisdk.Operation[FirewallConf],
    tables: list[cnisdk.RuleTable],
    is_leaving: IsOwner,
    *,
    from_prev_result: Iterable[cnisdk.IpAddress] = (),
) -> set[cnisdk.IpAddress]:
    """Take what leaves out of firewalld; its addresses, but for those another owner has by now (W-FW-2)."""
    going, staying = owned_addresses(op.host, tables, is_leaving)
    going = going.union(from_prev_result) - staying
    if op.config.backend not in {"iptables", "nftables"}:
        by_iptables = [each for each in tables if each.backend == "iptables"]
        accepted, _ = owned_addresses(op.host, by_iptables, is_leaving)
        for address in going - accepted:  # those need no firewalld, which may hang
            _firewalld.remove(op.deadline, op.config.zone, source_of(address))
    return going
