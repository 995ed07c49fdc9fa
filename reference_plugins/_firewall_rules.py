"""The rules of the firewall plugin, in the words of iptables and of nftables."""

from __future__ import annotations

from collections.abc import Callable, Collection
from ipaddress import ip_address

import attrs

import cnisdk
from cnisdk import Rule, RuleTable, errors


_OWNERS, _NFT_OWNERS = "CNI-FORWARD-OWNERS", "owners"
_TABLE = "cni_firewall"
_ACCEPT = "accept_forward"
_STAGES = ("CNI-ISOLATION-STAGE-1", "CNI-ISOLATION-STAGE-2")
_OWNED = (_OWNERS, _NFT_OWNERS, _ACCEPT)
"""The chains whose rules name addresses and their owners."""
_RULES = "CNI firewall plugin rules"
_ADMIN = "CNI firewall plugin admin overrides"
_ESTABLISHED = "-m conntrack --ctstate RELATED,ESTABLISHED"


@attrs.frozen(kw_only=True)
class Wanted:
    """What an attachment needs of a packet filter."""

    backend: str
    admin: str
    """The chain of the administrator."""
    addresses: tuple[cnisdk.IpAddress, ...] = ()
    """To let through."""
    policy: str = ""
    """same-bridge, isolated, or "" for neither."""
    bridge: str = ""
    """The bridge the policy is about."""

    @property
    def sources(self) -> list[str]:
        """The addresses as firewalld takes them."""
        return [source_of(each) for each in self.addresses]

    def tables(self, *, recorded: bool = True) -> list[RuleTable]:
        """The tables of the families that addresses are of.

        Args:
            recorded: With the owners. The Go plugin names none.
        """
        families = [family for family in ("ip", "ip6") if self._of(family)]
        if self.backend == "nftables":
            return [self._nftables()] if families else []
        owners = self.backend == "firewalld" and families and recorded
        tables = [self._owners()] if owners else []
        if self.backend == "iptables" or (self.policy and recorded):
            tables += [self._iptables(family, recorded=recorded) for family in families]
        return tables

    def _of(self, family: str) -> list[cnisdk.IpAddress]:
        version = 4 if family == "ip" else 6
        return [each for each in self.addresses if each.version == version]

    def _iptables(self, family: str, *, recorded: bool) -> RuleTable:
        """As the Go plugin makes them, that either plugin may remove the other's.

        Its rules name no owner (W-FW-2). So the owners are in a chain that no packet enters.
        """
        shared: list[Rule] = []
        rules: list[Rule] = []
        chains: list[str] = []
        if self.backend == "iptables":
            chains += ["CNI-FORWARD", self.admin, *([_OWNERS] if recorded else [])]
            shared += [
                Rule("FORWARD", "-j CNI-FORWARD", _RULES, first=True),
                Rule("CNI-FORWARD", f"-j {self.admin}", _ADMIN, first=True),
            ]
            for address in self._of(family):
                one = source_of(address)
                rules += [
                    Rule("CNI-FORWARD", f"-d {one} {_ESTABLISHED} -j ACCEPT", ""),
                    Rule("CNI-FORWARD", f"-s {one} -j ACCEPT", ""),
                ]
                if recorded:
                    rules += [Rule(_OWNERS, f"{end} {one} -j RETURN") for end in ("-d", "-s")]
        if self.policy and recorded:
            chains += _STAGES
            comment = f"{_RULES} (ingressPolicy: same-bridge|isolated)"
            shared += [
                Rule("FORWARD", f"-j {_STAGES[0]}", comment, first=True),
                *(Rule(stage, "-j RETURN", comment) for stage in _STAGES),
            ]
            into, out = f"-i {self.bridge}", f"-o {self.bridge}"
            rules += [
                Rule(_STAGES[0], f"{into} ! {out} -j {_STAGES[1]}", first=True),
                Rule(_STAGES[1], f"{out} -j DROP", first=True),
            ]
            if self.policy == "isolated":
                rules.append(Rule(_STAGES[0], f"{into} {out} -j DROP", first=True))
        return RuleTable(
            backend="iptables",
            family=family,
            name="filter",
            chains=dict.fromkeys(chains, ""),
            shared=shared,
            rules=rules,
        )

    def _owners(self) -> RuleTable:
        """Whose the sources are that firewalld has: in a chain that no packet enters."""
        rules = [
            Rule(_NFT_OWNERS, f"{_field(each)} saddr {each} return") for each in self.addresses
        ]
        return RuleTable(
            family="inet",
            name=_TABLE,
            comment=_RULES,
            chains={_NFT_OWNERS: ""},
            rules=rules,
        )

    def _nftables(self) -> RuleTable:
        shared = [
            Rule("forward", "jump isolation", ""),
            Rule("forward", f"jump {_ACCEPT}", ""),
            Rule(_ACCEPT, f"jump {self.admin}", "", first=True),
        ]
        rules: list[Rule] = []
        for address in self.addresses:
            field = _field(address)
            rules += [
                Rule(_ACCEPT, f"{field} daddr {address} ct state established,related accept"),
                Rule(_ACCEPT, f"{field} saddr {address} accept"),
            ]
        if self.policy:
            into, out = f'iifname "{self.bridge}"', f'oifname "{self.bridge}"'
            other = out.replace(" ", " != ")
            rules.append(Rule("isolation", f"{into} {other} jump isolation_outside"))
            rules.append(Rule("isolation_outside", f"{out} drop"))
            if self.policy == "isolated":
                rules.append(Rule("isolation", f"{into} {out} drop"))
        return RuleTable(
            family="inet",
            name=_TABLE,
            comment=_RULES,
            chains={
                "forward": "filter forward 0",
                **dict.fromkeys(("isolation", "isolation_outside", _ACCEPT), ""),
                self.admin: "",
            },
            shared=shared,
            rules=rules,
        )


def all_tables(admin: str) -> list[RuleTable]:
    """Where an attachment may have rules, whatever its configuration was at ADD."""
    iptables = dict.fromkeys(("CNI-FORWARD", admin, _OWNERS, *_STAGES), "")
    nftables = dict.fromkeys(("isolation", "isolation_outside", _ACCEPT, _NFT_OWNERS, admin), "")
    return [
        *(
            RuleTable(backend="iptables", family=f, name="filter", chains=iptables)
            for f in ("ip", "ip6")
        ),
        RuleTable(family="inet", name=_TABLE, chains=nftables),
    ]


def source_of(address: cnisdk.IpAddress) -> str:
    """An address as the network of one that it is."""
    return f"{address}/{address.max_prefixlen}"


def expect_isolation(host: cnisdk.Namespace, wanted: Wanted) -> None:
    """Raise an error when nobody keeps others away from the bridge."""
    if not wanted.policy:
        return
    for table in attrs.evolve(wanted, backend="iptables").tables():
        rules = host.rules(table, _STAGES[1:])
        if not any(rule.text == (f"oifname == {wanted.bridge}", "drop") for rule in rules):
            raise errors.CniError(
                f"expected rule of ingressPolicy {wanted.policy} not found in chain "
                "CNI-ISOLATION-STAGE-2",
                details=f"it should drop what goes out by {wanted.bridge}",
            )


def _field(address: cnisdk.IpAddress) -> str:
    return "ip" if address.version == 4 else "ip6"


IsOwner = Callable[[str], bool]
"""Whether an owner tag is one of those that go."""


def owned_addresses(
    host: cnisdk.Namespace, tables: Collection[RuleTable], goes: IsOwner
) -> tuple[set[cnisdk.IpAddress], set[cnisdk.IpAddress]]:
    """The addresses of owners that go, and those of owners that stay."""
    going: set[cnisdk.IpAddress] = set()
    staying: set[cnisdk.IpAddress] = set()
    for table in tables:
        chains = [chain for chain in _OWNED if chain in table.chains]
        for rule in host.rules(table, chains) if chains else ():
            address = _address(rule)
            if address is not None:
                (going if goes(rule.comment) else staying).add(address)
    return going, staying


def plain_rules(addresses: Collection[cnisdk.IpAddress]) -> Callable[[cnisdk.FoundRule], bool]:
    """Tells the rules without owner that let these addresses through."""
    return lambda rule: (
        rule.chain == "CNI-FORWARD"
        and not rule.comment
        and rule.text[-1] == "accept"
        and _address(rule) in addresses
    )


def _address(rule: cnisdk.FoundRule) -> cnisdk.IpAddress | None:
    """The address a rule is about."""
    field, _, value = rule.text[0].partition(" == ") if rule.text else ("", "", "")
    try:
        return ip_address(value) if field.endswith(("saddr", "daddr")) else None
    except ValueError:
        return None
