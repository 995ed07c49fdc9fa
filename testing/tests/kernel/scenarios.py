"""What the fake kernel of cnisdk.testing and the real one must do alike: one function per scenario.

A scenario works on a `World` and returns anything that can be compared. Whatever it raises is part of the
outcome, and so is what the two namespaces look like afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, cast

import attrs

from cnisdk._deadline import Deadline
from cnisdk._names import Attachment
from cnisdk._net import Namespace
from cnisdk._net._protocol import ContainerLinkSpec, Kernel, PeerSpec
from cnisdk._net._qdisc import INGRESS, ROOT
from cnisdk._net._types import KernelRoute, Link
from cnisdk._result import Interface, Ip, Result, Route
from cnisdk._rollback import Rollback


ME = Attachment("mynet", "c1", "eth0")
OTHER = Attachment("mynet", "c2", "eth0")
MAC, MAC2 = "02:00:00:00:00:01", "02:00:00:00:00:02"
SYSCTLS = ("accept_ra", "accept_dad", "disable_ipv6", "keep_addr_on_down")


@attrs.frozen
class World:
    """A host and a container, fake or real."""

    host: Namespace
    container: Namespace
    rollback: Rollback

    @property
    def k(self) -> Kernel:
        """The primitives of the host."""
        return self.host.kernel

    def bridge(self, name: str = "br0", **keys: Any) -> Link:
        return self.k.add_link(name, "bridge", mac=MAC, **keys)

    def veth(self, name: str = "veth0", peer: str = "eth0", **keys: Any) -> Link:
        spec = PeerSpec(kernel=self.container.kernel, name=peer, mac=MAC2)
        return self.k.add_link(name, "veth", mac="02:00:00:00:00:03", peer=spec, **keys)

    def wired(self) -> int:
        """A veth that is up at the host; the index of its end in the container."""
        self.k.change_link(self.veth().index, up=True)
        return self.eth().index

    def eth(self) -> Link:
        return cast("Link", self.container.kernel.link("eth0"))


Scenario = Callable[[World], object]
scenarios: list[Scenario] = []


def scenario(function: Scenario) -> Scenario:
    scenarios.append(function)
    return function


def each(*calls: Scenario) -> None:
    """One scenario for each of several calls."""
    scenarios.extend(calls)


def look(world: World) -> dict[str, Any]:
    """Both namespaces in terms that do not depend on indexes."""
    return {str(space): _look(world, space) for space in (world.host, world.container)}


def _look(world: World, space: Namespace) -> dict[str, Any]:
    kernel = space.kernel
    links = sorted(kernel.links(), key=lambda link: link.name)
    names = {link.index: link.name for link in links}
    other = world.container if space is world.host else world.host
    peers = {link.index: link.name for link in other.kernel.links()}
    return {
        "links": {
            link.name: (
                # Not the operational state: the kernel takes its time with it.
                *(link.kind, _mac(link), link.mtu, link.up, link.alias),
                names.get(link.master or 0, ""),
                peers.get(link.peer_index or 0, ""),
                *(link.promiscuity, link.hairpin, link.isolated),
                *(link.promisc, link.allmulti, link.tx_queue_length),
                *(link.mode, link.vlan_id, link.vrf_table, peers.get(link.lower_index or 0, "")),
                sorted(str(each.interface) for each in kernel.addresses(link.index)),
                [kernel.sysctl(f"ipv6/conf/{link.name}/{each}") for each in SYSCTLS],
                kernel.sysctl(f"ipv4/conf/{link.name}/arp_notify"),
                [kernel.qdisc(link.index, parent) for parent in (ROOT, INGRESS)],
                [names.get(each.target or 0) for each in kernel.redirects(link.index)],
            )
            for link in links
        },
        "routes": sorted(
            str((attrs.astuple(attrs.evolve(route, index=None)), names[route.index or 0]))
            for route in kernel.routes()
        ),
        # Those that match by more than the source are the kernel's own, for VRFs.
        "rules": sorted(str(each) for each in kernel.policy_rules() if not each.other),
        "forwarding": [
            kernel.sysctl(each) for each in ("ipv4/ip_forward", "ipv6/conf/all/forwarding")
        ],
    }


def _mac(link: Link) -> str:
    return link.mac if link.mac.startswith(("00:00", "02:00:00")) else "random"


def result(*addresses: str, routes: tuple[Route, ...] = (), mtu: int = 0, mac: str = "") -> Result:
    ips = [ip_interface(text) for text in addresses]
    return Result(
        (Interface("eth0", mac, mtu, "/run/netns/c1"),),
        tuple(Ip(ip, ip.network.network_address + 1, 0) for ip in ips),
        routes,
    )


def wait_operstate(world: World, name: str, state: str) -> str:
    link = world.k.wait_link(name, lambda each: each.operstate == state, Deadline(20))
    return link.operstate if link else "gone"


def configure(world: World, *addresses: str, up: bool = True, **route: Any) -> None:
    keys: dict[str, Any] = {"dst": ip_network("172.16.0.0/16"), **route}
    world.container.kernel.configure(
        world.wired(),
        addresses=[ip_interface(each) for each in addresses],
        routes=[KernelRoute(**keys)] if route else [],
        up=up,
        dad=False,
    )


# ---- links --------------------------------------------------------------------------------------

each(
    lambda w: [w.k.link("lo"), w.k.link("nope"), len(w.k.links())],
    lambda w: w.k.link_by_index(w.k.links()[0].index) == w.k.links()[0],
    lambda w: w.k.link_by_index(4711),
    lambda w: w.k.link_by_index(w.bridge().index) == w.k.link("br0"),
    lambda w: w.bridge(mtu=1400).mtu,
    lambda w: (w.bridge(), w.bridge()),
    lambda w: (w.bridge("veth0"), w.veth()),
    lambda w: (w.veth("veth0"), w.veth("veth1")),
    lambda w: w.veth(mtu=1400, alias="tag").alias,
    lambda w: w.veth(master=w.bridge().index, alias="tag").hairpin,
    lambda w: w.veth(master=4711),
    lambda w: w.k.change_link(4711, up=True),
    lambda w: w.k.change_link(w.bridge().index, up=True),
    lambda w: w.k.change_link(w.bridge().index, mac=MAC2, mtu=1280, alias="text"),
    lambda w: w.k.change_link(w.bridge(alias="text").index, alias=""),
    lambda w: w.k.change_link(w.bridge().index, promisc=True),
    lambda w: [w.k.change_link(w.bridge().index, promisc=on) for on in (True,)],
    lambda w: w.k.change_link(w.veth().index, up=True),
    lambda w: w.k.change_link(w.veth().index, hairpin=True),
    lambda w: w.k.change_link(w.veth(master=w.bridge().index).index, hairpin=True, isolated=True),
    lambda w: w.k.change_link(w.veth(master=w.bridge().index).index, up=True, hairpin=False),
    lambda w: w.k.remove_link(4711),
    lambda w: w.k.remove_link(w.veth().index),
    lambda w: w.container.kernel.remove_link((w.veth(), w.eth())[1].index),
)


def on_top(w: World, name: str = "eth0", **keys: Any) -> Link:
    """A macvlan in the container, on a link of the host."""
    given: dict[str, Any] = {"kind": "macvlan", "mode": "bridge", "mac": MAC2, **keys}
    spec = ContainerLinkSpec(**given)
    return w.k.add_container_link(
        name, spec, into=w.container.kernel, temporary="tmp0", alias="text"
    )


@scenario
def a_link_on_top_of_another(w: World) -> object:
    lower = w.veth("veth0", "peer0").index
    made = on_top(w, lower=lower, mtu=1400)
    return made.kind, made.mode, made.mtu, made.alias, made.lower_index == lower


@scenario
def a_link_on_top_has_the_mtu_of_the_lower(w: World) -> object:
    return on_top(w, lower=w.veth("veth0", "peer0", mtu=1300).index, mode="private").mtu


@scenario
def a_link_on_top_where_the_name_is_taken(w: World) -> object:
    return on_top(w, lower=w.veth("veth0", "eth0").index)


@scenario
def a_link_on_top_goes_with_the_lower(w: World) -> object:
    lower = w.veth("veth0", "peer0").index
    on_top(w, lower=lower)
    return w.k.remove_link(lower)


@scenario
def a_tap(w: World) -> object:
    made = w.k.add_tap("tap0", owner=7, group=None, multi_queue=True)
    w.k.change_link(made.index, mac=MAC2, master=w.bridge().index)
    return made.kind, made.owner, made.group


@scenario
def a_tap_twice(w: World) -> object:
    w.k.change_link(w.k.add_tap("tap0", owner=None, group=8, multi_queue=False).index, mac=MAC2)
    return w.k.add_tap("tap0", owner=None, group=None, multi_queue=False)


@scenario
def a_link_renamed_keeps_its_index(w: World) -> object:
    index = w.bridge().index
    w.k.change_link(index, name="br9", alias="text")
    found = w.k.link("br9")
    return found and found.index == index, w.k.link("br0")


@scenario
def a_link_made_again_has_another_index(w: World) -> object:
    first = w.bridge().index
    w.k.remove_link(first)
    return w.bridge().index == first, w.k.link_by_index(first)


@scenario
def removing_a_bridge_frees_its_ports(w: World) -> object:
    bridge = w.bridge().index
    w.veth(master=bridge)
    return w.k.remove_link(bridge)


@scenario
def both_ends_up_make_port_and_bridge_come_up(w: World) -> object:
    bridge = w.bridge().index
    w.k.change_link(bridge, up=True)
    w.k.change_link(w.veth(master=bridge).index, up=True)
    before = w.k.link("veth0")
    return [
        before and before.operstate == "up",
        w.container.kernel.change_link(w.eth().index, up=True),
        wait_operstate(w, "veth0", "up"),
        wait_operstate(w, "br0", "up"),
        w.container.kernel.change_link(w.eth().index, up=False),
        # The kernel says of the port "down" or "lowerlayerdown", depending on an index elsewhere.
        wait_operstate(w, "br0", "down"),
    ]


@scenario
def lo_has_no_operational_state(w: World) -> object:
    down = wait_operstate(w, "lo", "down")
    w.host.set_up("lo")
    return down, wait_operstate(w, "lo", "unknown")


@scenario
def waiting_in_vain_gives_the_last_state(w: World) -> object:
    w.bridge()
    link = w.k.wait_link("br0", lambda each: each.up, Deadline(0.05))
    return link and link.up, w.k.wait_link("nope", lambda each: each.up, Deadline(0.05))


@scenario
def a_bridge_has_the_mtu_of_its_smallest_port(w: World) -> object:
    bridge = w.bridge().index
    w.veth("veth0", "eth0", mtu=9000, master=bridge)
    large = w.k.link("br0")
    w.veth("veth1", "eth1", mtu=1400, master=bridge)
    return large and large.mtu


@scenario
def an_mtu_set_by_hand_stays(w: World) -> object:
    bridge = w.bridge().index
    w.k.change_link(bridge, mtu=2000)
    w.veth(mtu=1400, master=bridge)
    return None


@scenario
def lo_comes_and_goes_with_its_addresses(w: World) -> object:
    lo = cast("Link", w.k.link("lo")).index
    w.k.change_link(lo, up=True)
    up = look(w)
    w.k.change_link(lo, up=False)
    return up


# ---- addresses and routes -----------------------------------------------------------------------

each(
    lambda w: w.k.addresses(4711),
    lambda w: w.k.add_address(4711, ip_interface("10.1.0.1/24")),
    lambda w: w.k.add_address(w.bridge().index, ip_interface("10.1.0.1/24")),
    lambda w: w.k.remove_address(w.bridge().index, ip_interface("10.1.0.1/24")),
    lambda w: w.container.kernel.wait_addresses(w.wired(), Deadline(5)),
    lambda w: configure(w, "10.1.0.5/24", "fd01::5/64"),
    lambda w: configure(w, "10.1.0.5/24", up=False),
    lambda w: configure(w, "10.1.0.5/32", "fd01::5/128"),
    lambda w: configure(w, "10.1.0.5/24", "10.1.0.5/24"),
    lambda w: configure(w, "10.1.0.5/24", gw=ip_address("10.1.0.1")),
    lambda w: configure(w, "10.1.0.5/24", scope=253, table=100, priority=7, mtu=1300, advmss=9),
    lambda w: configure(w, "10.1.0.5/24", gw=ip_address("192.0.2.1")),
    lambda w: configure(w, "10.1.0.5/24", up=False, gw=ip_address("10.1.0.1")),
    lambda w: configure(w, "10.1.0.5/24", up=False, table=7),
    lambda w: configure(w, "fd01::5/64", up=False, dst=ip_network("fd02::/64")),
    lambda w: configure(
        w, "fd01::5/64", up=False, dst=ip_network("::/0"), gw=ip_address("fd01::1")
    ),
    lambda w: configure(w, "fd01::5/64", dst=ip_network("::/0"), gw=ip_address("fd09::1")),
    lambda w: configure(w, "10.1.0.5/24", dst=ip_network("0.0.0.0/0"), gw=ip_address("10.1.0.1")),
    lambda w: configure(w, "fd01::5/64", dst=ip_network("::/0"), gw=ip_address("fd01::1")),
    lambda w: configure(w, "fd01::5/64", dst=ip_network("fd02::/64"), priority=5, mtu=1300),
    lambda w: configure(w, "10.1.0.5/24", dst=ip_network("10.1.0.0/24"), table=100),
)


@scenario
def an_address_twice(w: World) -> object:
    index = w.bridge().index
    w.k.add_address(index, ip_interface("fd01::1/64"))
    return w.k.add_address(index, ip_interface("fd01::1/64"))


@scenario
def an_address_removed_takes_its_subnet_along(w: World) -> object:
    index = w.wired()
    kernel = w.container.kernel
    both = [ip_interface("10.1.0.5/24"), ip_interface("fd01::5/64"), ip_interface("10.2.0.5/24")]
    kernel.configure(index, addresses=both, routes=[], up=True, dad=False)
    kernel.remove_address(index, both[0])
    return kernel.remove_address(index, both[1])


@scenario
def the_same_route_twice(w: World) -> object:
    route = KernelRoute(dst=ip_network("172.16.0.0/16"))
    addresses = [ip_interface("10.1.0.5/24")]
    return w.container.kernel.configure(
        w.wired(), addresses=addresses, routes=[route, route], up=True, dad=False
    )


@scenario
def down_takes_routes_and_ipv6_away_and_up_brings_subnets_back(w: World) -> object:
    configure(w, "10.1.0.5/24", "fd01::5/64", gw=ip_address("10.1.0.1"))
    w.container.kernel.change_link(w.eth().index, up=False)
    down = look(w)
    w.container.kernel.change_link(w.eth().index, up=True)
    return down


@scenario
def ipv6_addresses_kept_on_down(w: World) -> object:
    configure(w, "fd01::5/64")
    w.container.kernel.set_sysctl("ipv6/conf/eth0/keep_addr_on_down", "1")
    w.container.kernel.change_link(w.eth().index, up=False)
    w.container.kernel.change_link(w.eth().index, up=True)
    return None


@scenario
def routes_go_with_their_link(w: World) -> object:
    configure(w, "10.1.0.5/24", gw=ip_address("10.1.0.1"))
    return w.container.kernel.remove_link(w.eth().index)


# ---- sysctls ------------------------------------------------------------------------------------

each(
    lambda w: w.k.sysctl("ipv4/ip_forward"),
    lambda w: w.k.sysctl("ipv4/conf/nope/arp_notify"),
    lambda w: w.k.set_sysctl("ipv4/conf/nope/arp_notify", "1"),
    lambda w: w.k.set_sysctl("ipv4/ip_forward", "1"),
    lambda w: w.k.set_sysctl(f"ipv4/conf/{w.bridge().name}/arp_notify", "1"),
)


@scenario
def a_links_settings_go_with_it(w: World) -> object:
    index = w.bridge().index
    w.k.set_sysctl("ipv4/conf/br0/arp_notify", "1")
    w.k.remove_link(index)
    w.bridge()
    return w.k.sysctl("ipv4/conf/br0/arp_notify")
