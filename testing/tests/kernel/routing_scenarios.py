"""Scenarios of test_fake_contract for policy rules, routes between tables, and lent links."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import attrs
from scenarios import MAC2, Scenario, World, configure, each, scenario

from cnisdk._deadline import Deadline
from cnisdk._net import Namespace
from cnisdk._net._link_settings import LinkSettings
from cnisdk._net._types import KernelRoute, PolicyRule
from cnisdk.testing._state import DEFAULT_NETNS


FOUR, SIX = ip_address("10.1.0.5"), ip_address("fd01::5")
BOTH = ("10.1.0.5/24", "fd01::5/64")
NO_DEVICE = "/sys/bus/pci/devices/0000:99:00.0"


def routed(w: World) -> list[KernelRoute]:
    """A link in the container with addresses and a route by a gateway; all its routes."""
    configure(w, *BOTH, gw=ip_address("10.1.0.1"), mtu=1300, src=FOUR)
    return w.container.routes("eth0")


def in_table(routes: list[KernelRoute], table: int) -> list[KernelRoute]:
    return [attrs.evolve(each, table=table) for each in routes]


def plain(routes: list[KernelRoute]) -> list[str]:
    return sorted(str(attrs.evolve(each, index=None)) for each in routes)


# ---- policy rules -------------------------------------------------------------------------------

each(
    lambda w: [str(rule) for rule in w.k.policy_rules()],
    lambda w: w.container.add_source_rule(FOUR, 100),
    lambda w: (w.container.add_source_rule(SIX, 5000), w.container.add_source_rule(SIX, 5001)),
    lambda w: w.k.remove_policy_rule(PolicyRule(src=None, table=7, version=4)),
    lambda w: w.k.add_policy_rule(
        PolicyRule(src=ip_network("10.0.0.0/8"), table=7, version=4, priority=99)
    ),
    lambda w: [
        w.k.add_policy_rule(PolicyRule(src=None, table=7, version=6, priority=99)) for _ in range(2)
    ],
    lambda w: w.host.free_table(100),
    lambda w: w.host.identity == w.container.kernel.identity(),
    lambda w: w.host.free_table(253, besides=[256]),
)


@scenario
def a_rule_removed(w: World) -> object:
    for table in (100, 101):
        w.container.add_source_rule(FOUR, table)
    mine = [rule for rule in w.container.policy_rules() if rule.src == ip_network(FOUR)]
    w.container.remove_policy_rules(mine[:1])
    return mine


@scenario
def a_rule_undone(w: World) -> object:
    w.host.add_source_rule(FOUR, 100)
    return w.rollback.run(RuntimeError())


@scenario
def tables_in_use_are_not_free(w: World) -> object:
    w.container.add_source_rule(FOUR, 100)
    configure(w, "10.1.0.5/24", table=101, dst=ip_network("10.9.0.0/16"))
    return w.container.free_table(100), w.container.free_table(100, besides=[102])


@scenario
def a_lock_that_is_free(w: World) -> object:
    with w.host.exclusively(), w.container.kernel.exclusive(Deadline(5)):
        return "both are held"


# ---- routes -------------------------------------------------------------------------------------


@scenario
def routes_are_read(w: World) -> object:
    return plain(routed(w))


@scenario
def routes_move_to_another_table(w: World) -> object:
    w.container.set_routes("eth0", in_table(routed(w), 100))
    return plain(w.container.routes("eth0"))


@scenario
def routes_move_there_and_back(w: World) -> object:
    before = routed(w)
    w.container.set_routes("eth0", in_table(before, 100))
    w.container.set_routes("eth0", before)
    return plain(w.container.routes("eth0")) == plain(before)


@scenario
def the_same_routes_change_nothing(w: World) -> object:
    before = routed(w)
    w.container.set_routes("eth0", [*before, *before])
    return w.container.kernel.change_routes(w.eth().index, add=before, remove=[])


@scenario
def routes_to_nowhere_are_refused(w: World) -> object:
    before = routed(w)
    nowhere = KernelRoute(dst=ip_network("172.20.0.0/16"), gw=ip_address("192.0.2.1"))
    return w.container.set_routes("eth0", [*before, nowhere])


@scenario
def a_gateway_that_is_on_the_link_although_no_route_says_so(w: World) -> object:
    before = routed(w)
    gw = ip_address("192.0.2.1")
    onlink = KernelRoute(dst=ip_network("172.20.0.0/16"), gw=gw, table=100, onlink=True)
    w.container.set_routes("eth0", [*before, onlink])
    return [each.gw for each in w.container.routes("eth0") if each.table == 100]


@scenario
def routes_go(w: World) -> object:
    routed(w)
    return w.container.set_routes("eth0", [])


each(
    lambda w: w.container.routes("nope"),
    lambda w: w.container.set_routes("nope", []),
    lambda w: w.k.change_routes(w.bridge().index, add=[], remove=[]),
)


# ---- links that are lent ------------------------------------------------------------------------


def device(w: World, **keys: Any) -> LinkSettings:
    """A link of the host that is up and has addresses."""
    w.veth("ens5", "wire", **keys)
    index = w.host.expect_link("ens5").index
    w.k.configure(
        index,
        addresses=[ip_interface(each) for each in BOTH],
        routes=[KernelRoute(dst=ip_network("172.16.0.0/16"), gw=ip_address("10.1.0.1"))],
        up=True,
        dad=False,
    )
    w.host.set_up("ens5")
    w.container.set_up("wire")
    return w.host.settings("ens5")


@scenario
def settings_are_read(w: World) -> object:
    found = device(w, alias="of the owner", mtu=1400)
    return (
        found.name,
        found.alias,
        found.mac,
        found.mtu,
        found.up,
        sorted(str(each.interface) for each in found.addresses),
        plain(list(found.routes)),
    )


@scenario
def settings_of_a_link_come_back(w: World) -> object:
    device(w)
    setting = "ipv4/conf/ens5/rp_filter"
    w.host.set_sysctl(setting, "2")
    before = w.host.settings("ens5")
    w.host.lend(before, into=w.container, rename="net1")
    inside = w.container.sysctl("ipv4/conf/net1/rp_filter")
    w.host.take_back(before, out_of=w.container)
    return inside, w.host.sysctl(setting), w.k.link_sysctls("ens5")[setting]


@scenario
def addresses_as_they_were(w: World) -> object:
    device(w)
    index = w.host.expect_link("ens5").index
    before = w.k.addresses(index)
    for found in before:
        w.k.remove_address(index, found.interface)
    w.k.put_back_addresses(index, before)
    return w.k.addresses(index) == before


@scenario
def a_link_is_lent(w: World) -> object:
    before = device(w, mtu=1400)
    made = w.host.lend(before, into=w.container, rename="net1")
    return made.name, made.mac, made.mtu


@scenario
def a_link_is_lent_where_its_own_name_is_taken(w: World) -> object:
    before = device(w)
    w.container.kernel.add_link("ens5", "bridge", mac=MAC2)
    return w.host.lend(before, into=w.container, rename="net1").name


@scenario
def a_link_is_not_lent_where_the_name_is_taken(w: World) -> object:
    before = device(w)
    return w.host.lend(before, into=w.container, rename="wire").name


@scenario
def a_loan_is_undone(w: World) -> object:
    before = device(w, alias="of the owner")
    w.host.lend(before, into=w.container, rename="net1")
    return w.rollback.run(RuntimeError())


@scenario
def a_link_comes_back(w: World) -> object:
    before = device(w, alias="of the owner", mtu=1400)
    w.host.lend(before, into=w.container, rename="net1")
    w.container.set_attributes("net1", mtu=1300)
    back = w.host.take_back(before, out_of=w.container)
    now = w.host.settings("ens5")
    return back, attrs.evolve(now, routes=()) == attrs.evolve(before, routes=())


@scenario
def a_link_that_was_renamed_comes_back(w: World) -> object:
    before = device(w)
    w.host.lend(before, into=w.container, rename="net1")
    index = w.container.expect_link("net1").index
    w.container.kernel.change_link(index, name="other")
    return w.host.take_back(before, out_of=w.container)


@scenario
def a_link_without_its_alias_comes_back(w: World) -> object:
    before = device(w)
    w.host.lend(before, into=w.container, rename="net1")
    w.container.set_alias("net1", "")
    return w.host.take_back(before, out_of=w.container)


@scenario
def a_link_does_not_come_back_where_its_name_is_taken(w: World) -> object:
    before = device(w)
    w.host.lend(before, into=w.container, rename="net1")
    w.bridge("ens5")
    return w.host.take_back(before, out_of=w.container)


@scenario
def a_link_the_kernel_brought_back(w: World) -> object:
    before = device(w, mtu=1400)
    w.host.lend(before, into=w.container, rename="net1")
    link = w.container.expect_link("net1")
    w.container.kernel.change_link(link.index, into=w.k)
    return w.host.take_back(before, out_of=None)


@scenario
def a_link_that_never_left(w: World) -> object:
    before = device(w)
    return w.host.take_back(before, out_of=None), w.host.take_back(before, out_of=w.container)


@scenario
def a_link_by_its_address(w: World) -> object:
    device(w)
    w.bridge("br0")
    found = [w.host.link_by_mac(mac) for mac in ("02-00-00-00-00-03", "02:00:00:00:00:77")]
    return found, w.host.link_by_mac("nonsense")


@scenario
def a_link_moved_by_hand(w: World) -> object:
    w.veth("veth0", "eth0", master=w.bridge().index)
    w.k.change_link(w.host.expect_link("veth0").index, into=w.container.kernel, name="moved")
    return w.container.lent_link(LinkSettings(name="veth0", mac="02:00:00:00:00:03"))


each(
    lambda w: w.host.device_links(NO_DEVICE),
    lambda w: w.host.device_driver(NO_DEVICE),
    lambda w: w.k.device_driver(NO_DEVICE),
    lambda w: w.k.device_links(NO_DEVICE),
)


# ---- VRFs, which only the lab's kernel has ------------------------------------------------------


def joined(w: World, vrf: str = "red", **keys: Any) -> list[str]:
    """A link with addresses and routes that has joined a VRF; its routes."""
    routed(w)
    w.container.join_vrf("eth0", vrf, **keys)
    return plain(w.container.routes("eth0"))


def left(w: World) -> object:
    joined(w)
    w.container.leave_vrf("eth0", "red")
    return plain(w.container.routes("eth0"))


def undone(w: World) -> object:
    routed(w)
    container = Namespace(
        w.container.kernel, lambda: w.container.firewall, path=DEFAULT_NETNS, rollback=w.rollback
    )
    container.join_vrf("eth0", "red", table=7)
    w.rollback.run(RuntimeError())
    return plain(w.container.routes("eth0"))


lab_scenarios: list[Scenario] = [
    lambda w: (w.host.vrf_problem(), w.k.has_vrf()),
    lambda w: (w.container.kernel.add_vrf("red", 5), w.container.free_table(5)),
    lambda w: [w.container.kernel.add_vrf("red", 5) for _ in range(2)],
    joined,
    lambda w: joined(w, table=7),
    lambda w: (joined(w, table=7), w.container.join_vrf("eth0", "red", table=8)),
    lambda w: (joined(w, table=7), w.container.join_vrf("eth0", "red", table=7)),
    lambda w: (joined(w), w.container.join_vrf("eth0", "blue")),
    lambda w: joined(w, "lo"),
    lambda w: w.container.join_vrf("nope", "red"),
    left,
    lambda w: (left(w), w.container.leave_vrf("eth0", "red")),
    lambda w: (joined(w), w.container.leave_vrf("eth0", "blue")),
    lambda w: (joined(w), w.container.leave_vrf("nope", "red")),
    undone,
]
