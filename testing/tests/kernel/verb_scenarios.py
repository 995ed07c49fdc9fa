"""The verbs of `Namespace` in scenarios for the fake and the real kernel; see `scenarios`."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from scenarios import MAC, MAC2, ME, OTHER, Scenario, World, each, look, result, scenario

from cnisdk import Rule, RuleTable, errors
from cnisdk._names import Attachment
from cnisdk._net._links import veth_names
from cnisdk._net._types import KernelRoute
from cnisdk._result import Result, Route


def pair(w: World, **keys: Any) -> str:
    """A veth on a bridge that is up; the name of its end at the host."""
    w.host.ensure_bridge("br0")
    keys = {"mac": MAC2, "master": "br0", **keys}
    return w.host.add_veth(peer="eth0", into=w.container, **keys).host.name


def added(w: World, *addresses: str, routes: tuple[Route, ...] = ()) -> Result:
    """What ADD does in the container; the result with the interface's facts."""
    pair(w)
    w.container.configure("eth0", result(*addresses, routes=routes))
    return result(*addresses, routes=routes, mtu=1500, mac=MAC2)


def lower(w: World, **keys: Any) -> str:
    """A link of the host that others can be made on."""
    w.host.set_up(w.veth("veth0", "peer0", **keys).name)
    return "veth0"


def macvlan(w: World, **keys: Any) -> object:
    return w.host.add_macvlan("eth0", master=lower(w), into=w.container, mac=MAC2, **keys).mtu


def default_routes(w: World) -> str:
    """Two of them; the lower metric wins."""
    for number, metric in ((0, 100), (1, 7)):
        link = w.veth(f"veth{number}", f"peer{number}")
        addresses = [ip_interface(f"10.{number}.0.2/24")]
        route = KernelRoute(dst=ip_network("0.0.0.0/0"), priority=metric)
        w.k.configure(link.index, addresses=addresses, routes=[route], up=True, dad=False)
    return w.host.default_interface()


each(
    macvlan,
    lambda w: macvlan(w, mode="private", mtu=1400, bcqueuelen=2000),
    lambda w: macvlan(w, mtu=1501),
    lambda w: macvlan(w, mtu=-1),
    lambda w: [macvlan(w), w.host.add_macvlan("eth0", master="veth0", into=w.container)],
    lambda w: w.host.add_macvlan("eth0", master="nope", into=w.container),
    lambda w: w.host.add_macvlan("eth0", master=lower(w), into=w.container, mac="nonsense"),
    lambda w: (macvlan(w), w.rollback.run(RuntimeError())),
    lambda w: (macvlan(w), w.container.remove_interface("eth0", kind="veth")),
    lambda w: (macvlan(w), w.container.remove_interface("eth0", kind="macvlan")),
    lambda w: w.container.remove_interface("eth0", kind="macvlan"),
    lambda w: (
        macvlan(w),
        w.container.set_alias("eth0", OTHER.owner_tag),
        w.container.remove_interface("eth0", kind="macvlan"),
    ),
    lambda w: (macvlan(w), w.host.expect_on_top(w.eth(), "veth0")),
    lambda w: (macvlan(w), w.bridge(), w.host.expect_on_top(w.eth(), "br0")),
    lambda w: (macvlan(w), w.host.expect_on_top(w.eth(), "nope")),
    lambda w: w.host.add_tap("eth0", into=w.container, mac=MAC2, mtu=1400, owner=1),
    lambda w: w.host.add_tap("eth0", into=w.container, master="nope"),
    lambda w: [w.host.add_tap("eth0", into=w.container, mac=MAC2) for _ in range(2)],
    lambda w: (
        w.host.add_tap("eth0", into=w.container, mac=MAC2),
        w.rollback.run(RuntimeError()),
    ),
    lambda w: w.host.default_interface(),
    default_routes,
    lambda w: [w.host.link("lo"), w.host.link("nope")],
    lambda w: w.host.interface("lo"),
    lambda w: w.container.interface("lo"),
    lambda w: w.host.interface("nope"),
    lambda w: w.host.ensure_bridge("br0", mtu=1400, promisc=True).mtu,
    lambda w: w.host.ensure_bridge("lo"),
    lambda w: [w.host.ensure_bridge("br0", promisc=True).name for _ in range(2)],
    lambda w: pair(w, mtu=1400, hairpin=True, isolated=True) in veth_names(ME),
    lambda w: w.host.add_veth(peer="eth0", into=w.container, mac=MAC2).peer,
    lambda w: w.host.add_veth(peer="lo", into=w.container),
    lambda w: w.host.add_veth(peer="eth0", into=w.container, mac="nonsense"),
    lambda w: w.host.add_veth(peer="eth0", into=w.container, master="nope"),
    lambda w: w.host.set_up("lo"),
    lambda w: (w.host.set_up("lo"), w.host.set_down("lo")),
    lambda w: (w.bridge(), w.host.set_mac("br0", "02-00-00-00-00-07")),
    lambda w: w.host.set_mac("lo", "nonsense"),
    lambda w: (w.bridge(), w.host.set_attributes("br0", mac=MAC2, mtu=1400, tx_queue_length=7)),
    lambda w: (pair(w), w.container.set_attributes("eth0", promisc=True, allmulti=True)),
    lambda w: w.host.set_attributes("lo", mac="nonsense"),
    lambda w: w.host.set_attributes("nope", mtu=1400),
    lambda w: w.container.set_attributes((pair(w), "eth0")[1], mtu=70000),
    lambda w: w.host.set_alias("lo", "text"),
    lambda w: w.host.set_up("nope"),
    lambda w: w.host.remove_link("nope"),
    lambda w: (pair(w), w.container.remove_link("eth0", kind="bridge")),
    lambda w: (pair(w), w.container.remove_link("eth0", kind="veth")),
    lambda w: w.host.remove_veth("eth0", w.container),
    lambda w: (pair(w), w.host.remove_veth("eth0", w.container)),
    lambda w: (
        w.host.set_alias(pair(w), OTHER.owner_tag),
        w.host.remove_veth("eth0", w.container),
    ),
    lambda w: (pair(w), w.host.remove_owned(OTHER)),
    lambda w: (pair(w), w.host.remove_owned(ME), w.host.remove_owned(ME)),
    lambda w: (pair(w), w.host.retain_owned("mynet", [ME])),
    lambda w: (pair(w), w.host.retain_owned("mynet", [OTHER])),
    lambda w: (pair(w), w.host.retain_owned("other", [])),
    lambda w: (pair(w), w.rollback.run(RuntimeError())),
    lambda w: w.host.addresses("nope"),
    lambda w: w.host.remove_address("nope", ip_interface("127.0.0.1/8")),
    lambda w: (w.host.set_up("lo"), w.host.remove_address("lo", ip_interface("127.0.0.1/8"))),
    lambda w: w.host.remove_address("lo", ip_interface("127.0.0.1/8")),
    lambda w: w.host.enable_forwarding(4),
    lambda w: w.host.enable_forwarding(6),
    lambda w: w.host.sysctl("net.ipv4.ip_forward"),
    lambda w: w.host.expect_sysctl("ipv4/ip_forward"),
    lambda w: w.host.readable_sysctl("ipv4/ip_forward"),
    lambda w: w.host.set_sysctl("ipv4/conf/nope/arp_notify", "1"),
    lambda w: w.host.set_sysctl("ipv4/conf/nope/arp_notify", "1", required=False),
    lambda w: w.host.set_sysctl("../x", "1"),
    lambda w: w.host.expect_link("nope"),
    lambda w: w.host.expect_link("lo", up=True),
    lambda w: w.host.expect_link("lo", mtu=7),
    lambda w: w.host.expect_link("lo", mac=MAC),
    lambda w: w.host.expect_link("lo", kind="bridge"),
    lambda w: w.host.expect_link("lo", up=False, mtu=65536).name,
    lambda w: w.host.expect_forwarding(4),
    lambda w: (w.host.enable_forwarding(4), w.host.expect_forwarding(4)),
    lambda w: w.host.expect_address("lo", ip_interface("10.1.0.1/24")),
    lambda w: added(w, "10.1.0.5/24", "fd01::5/64"),
    lambda w: (pair(w), w.container.configure("eth0", Result())),
    lambda w: (pair(w), w.container.configure("nope", result("10.1.0.5/24"))),
    lambda w: (
        pair(w),
        w.container.configure("eth0", result("10.1.0.5/24", "fd01::5/64"), dad=True),
    ),
    lambda w: (pair(w), w.container.configure("eth0", result("10.1.0.5/24"), up=False)),
    lambda w: (pair(w), w.container.configure("eth0", result("10.1.0.5/24"), by_gateway=True)),
    lambda w: (pair(w), w.container.configure("eth0", result("fd01::5/64"), by_gateway=True)),
    lambda w: w.host.add_point_to_point(pair(w), result("10.1.0.5/24", "fd01::5/64").ips),
    lambda w: w.host.add_point_to_point("nope", result("10.1.0.5/24").ips),
    lambda w: w.host.expect_point_to_point(pair(w), result("10.1.0.5/24").ips),
    lambda w: (
        w.host.add_point_to_point(pair(w), result("10.1.0.5/24").ips),
        w.host.expect_point_to_point(veth_names(ME)[0], result("10.1.0.5/24").ips),
    ),
    lambda w: w.host.wait_port_up("nope"),
    lambda w: w.host.firewall_problem(),
)


@scenario
def a_second_attachment_of_that_name_is_refused(w: World) -> object:
    pair(w)
    return w.host.add_veth(peer="eth0", into=w.container)


@scenario
def a_foreign_link_of_our_name_is_left_alone(w: World) -> object:
    w.k.change_link(w.bridge(veth_names(ME)[0]).index, up=True)
    return pair(w) == veth_names(ME)[1]


@scenario
def what_a_killed_add_left_is_replaced(w: World) -> object:
    w.veth(veth_names(ME)[0], "old0")
    return pair(w) == veth_names(ME)[0]


@scenario
def the_port_comes_up_with_the_container(w: World) -> object:
    name = pair(w)
    w.container.set_up("eth0")
    return w.host.wait_port_up(name)


@scenario
def a_veth_lowers_a_bridge_set_by_hand(w: World) -> object:
    w.k.change_link(w.bridge().index, mtu=2000)
    return pair(w, mtu=1400) != ""


def policy(present: str, wanted: str, *, replace: bool) -> None:
    def run(w: World) -> object:
        w.host.ensure_bridge("br0")
        w.host.ensure_address("br0", ip_interface(present))
        w.host.ensure_address("br0", ip_interface(wanted), replace=replace)
        return sorted(map(str, w.host.addresses("br0")))

    scenario(run)


for force in (False, True):
    policy("10.1.0.1/24", "10.1.0.1/24", replace=force)
    policy("10.1.0.1/24", "10.2.0.1/24", replace=force)
    policy("fd01::1/64", "fd01::2/64", replace=force)
    policy("fd01::1/64", "fd02::1/64", replace=force)


@scenario
def replacing_several_addresses_of_one_subnet(w: World) -> object:
    w.host.ensure_bridge("br0")
    for text in ("10.1.0.1/24", "10.1.0.2/24", "10.3.0.1/24", "10.1.0.3/24"):
        w.k.add_address(w.host.expect_link("br0").index, ip_interface(text))
    w.host.ensure_address("br0", ip_interface("10.2.0.1/24"), replace=True)
    return w.host.addresses("br0")


_ROUTES = (
    Route(ip_network("0.0.0.0/0")),
    Route(ip_network("172.16.0.0/16"), table=100, priority=7, mtu=1300),
    Route(ip_network("::/0"), ip_address("fd01::1")),
)


@scenario
def an_attachment_as_add_left_it_passes(w: World) -> object:
    made = added(w, "10.1.0.5/24", "fd01::5/64", routes=_ROUTES)
    w.container.expect(made, "eth0")
    w.container.expect_address("eth0", ip_interface("10.1.0.5/24"))
    port = w.host.expect_peer(w.eth(), master="br0")
    return port.name in veth_names(ME), look(w)


def altered(change: Any) -> None:
    def run(w: World) -> object:
        made = added(w, "10.1.0.5/24", "fd01::5/64", routes=_ROUTES)
        change(w)
        return w.container.expect(made, "eth0")

    scenario(run)


altered(lambda w: w.container.kernel.change_link(w.eth().index, mac=MAC))
altered(lambda w: w.container.kernel.change_link(w.eth().index, mtu=1400))
altered(lambda w: w.container.kernel.change_link(w.eth().index, up=False))
altered(lambda w: w.container.kernel.remove_link(w.eth().index))
altered(lambda w: w.container.kernel.remove_address(w.eth().index, ip_interface("10.1.0.5/24")))
altered(lambda w: w.container.kernel.remove_address(w.eth().index, ip_interface("fd01::5/64")))


@scenario
def a_port_of_another_bridge_is_told(w: World) -> object:
    pair(w)
    w.bridge("br1")
    return w.host.expect_peer(w.eth(), master="br1")


@scenario
def a_veth_without_an_end_here_is_told(w: World) -> object:
    pair(w)
    return w.container.expect_peer(w.eth(), master="br0")


# ---- packet filter ------------------------------------------------------------------------------

_ADDRESSES = [ip_interface("10.1.0.5/24"), ip_interface("fd01::5/64")]


def filtered(step: Any) -> None:
    def run(w: World) -> object:
        w.host.add_masquerade(ME, _ADDRESSES)
        w.host.add_spoof_check(ME, "veth0", MAC)
        step(w)
        return [
            passes(lambda: w.host.expect_masquerade(ME, _ADDRESSES)),
            passes(lambda: w.host.expect_spoof_check(ME, "veth0", MAC)),
        ]

    scenario(run)


def passes(check: Any) -> bool:
    """The real packet filter names its rules, the fake one has none."""
    try:
        check()
    except errors.CniError:
        return False
    return True


filtered(lambda w: w.host.firewall.remove_masquerade(OTHER))
filtered(lambda w: w.host.firewall.remove_masquerade(ME))
filtered(lambda w: w.host.firewall.remove_spoof_check(ME))
filtered(lambda w: w.host.firewall.retain_masquerade("mynet", [ME]))
filtered(lambda w: w.host.firewall.retain_masquerade("mynet", []))
filtered(lambda w: w.host.firewall.retain_spoof_checks("mynet", []))
filtered(lambda w: w.host.add_masquerade(ME, _ADDRESSES[:1]))
filtered(lambda w: w.host.add_spoof_check(ME, "veth0", MAC2))
filtered(lambda w: w.host.remove_owned(ME))
filtered(lambda w: w.rollback.run(RuntimeError()))


def described(step: Any) -> None:
    def run(w: World) -> object:
        for owner in (ME, OTHER):
            w.host.add_rules(owner, [rules_of(owner)])
        step(w)
        return [
            [passes(lambda owner=owner: w.host.expect_rules(owner, [rules_of(owner)]))]
            for owner in (ME, OTHER)
        ] + [len(w.host.rules(rules_of(ME), ["checks"]))]

    scenario(run)


def rules_of(owner: Attachment, address: str = "10.1.0.5") -> RuleTable:
    return RuleTable(
        name="example",
        chains={"pre": "filter prerouting 0", "checks": ""},
        shared=[Rule("pre", "jump checks")],
        rules=[Rule("checks", f"ip saddr {address} drop")],
    )


described(lambda w: w.host.add_rules(ME, [rules_of(ME)]))
described(lambda w: w.host.add_rules(ME, [rules_of(ME, "10.1.0.6")]))
described(lambda w: w.host.remove_rules(ME, [rules_of(ME)]))
described(lambda w: w.host.remove_rules(ME, [rules_of(ME)], also=lambda rule: not rule.comment))
described(lambda w: w.host.retain_rules("mynet", [OTHER], [rules_of(ME)]))
described(lambda w: w.host.retain_rules("other", [], [rules_of(ME)]))
described(lambda w: w.rollback.run(RuntimeError()))
scenario(lambda w: w.host.firewall_backend())
scenario(lambda w: w.host.forget_flows(4, "udp", 53))
scenario(lambda w: (w.host.set_up("lo"), w.host.link_towards(ip_address("127.0.0.1"))))
scenario(lambda w: (w.host.set_up("lo"), w.host.link_towards(ip_address("::1"))))
scenario(lambda w: w.host.link_towards(ip_address("10.1.0.5")))
scenario(lambda w: (pair(w), w.k.way_to(ip_address("10.1.0.5"))))


@scenario
def the_way_to_a_container(w: World) -> object:
    added(w, "10.1.0.5/24")
    w.host.ensure_address("br0", ip_interface("10.1.0.1/24"))
    w.host.set_up("br0")
    return (
        w.host.link_towards(ip_address("10.1.0.5")),
        w.host.link_towards(ip_address("10.1.0.1")),
    )


# ---- what only the lab's kernel has -------------------------------------------------------------


def ipvlan(w: World, **keys: Any) -> object:
    made = w.host.add_ipvlan("eth0", master=lower(w), into=w.container, **keys)
    return made.mtu, w.eth().mode


def vlan(w: World, **keys: Any) -> object:
    made = w.host.add_vlan("eth0", master=lower(w), into=w.container, **keys)
    return made.mtu, w.eth().vlan_id


lab_scenarios: list[Scenario] = [
    ipvlan,
    lambda w: ipvlan(w, mode="l3", mtu=1400),
    lambda w: ipvlan(w, mode="l3s"),
    lambda w: ipvlan(w, mtu=1501),
    lambda w: (ipvlan(w), w.rollback.run(RuntimeError())),
    lambda w: (ipvlan(w), w.container.remove_interface("eth0", kind="ipvlan")),
    lambda w: vlan(w, vlan_id=7),
    lambda w: vlan(w, vlan_id=0, mtu=1400),
    lambda w: (vlan(w, vlan_id=4094), w.container.remove_interface("eth0", kind="vlan")),
    lambda w: (vlan(w, vlan_id=7), w.host.remove_link("veth0")),
    lambda w: w.host.add_dummy("eth0", into=w.container, mac=MAC2, mtu=1400),
    lambda w: [w.host.add_dummy("eth0", into=w.container, mac=MAC2) for _ in range(2)],
    lambda w: (
        w.host.add_dummy("eth0", into=w.container, mac=MAC2),
        w.container.remove_interface("eth0", kind="dummy"),
    ),
]
