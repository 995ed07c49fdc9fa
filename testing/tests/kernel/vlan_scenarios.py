"""VLANs of bridge ports, in scenarios for the fake and the lab's kernel; see `scenarios`."""

from __future__ import annotations

from typing import Any

from scenarios import Scenario, World
from verb_scenarios import pair

from cnisdk import errors
from cnisdk._net._types import PortVlan


PVID = PortVlan(7, pvid=True, untagged=True)


def port(w: World, *, filtering: bool = True, **keys: Any) -> str:
    """A port of a bridge; its name."""
    w.host.ensure_bridge("br0", vlan_filtering=filtering)
    return pair(w, **keys)


def vlans(w: World, name: str) -> list[str]:
    link = w.host.expect_link(name)
    return list(map(str, w.k.port_vlans(link.index)))


def changed(w: World, add: list[PortVlan], remove: tuple[int, ...] = ()) -> object:
    name = port(w)
    w.k.change_port_vlans(w.host.expect_link(name).index, add=add, remove=remove)
    return vlans(w, name)


def put(w: World, **keys: Any) -> object:
    name = port(w)
    w.host.set_port_vlans(name, **keys)
    w.host.expect_port_vlans(name, **keys)
    return vlans(w, name)


def seen(w: World, *, made: dict[str, Any], wanted: dict[str, Any]) -> None:
    name = port(w)
    w.host.set_port_vlans(name, **made)
    w.host.expect_port_vlans(name, **wanted)


def gateway(w: World, **keys: Any) -> object:
    """Made twice, with the same outcome; then its VLANs and those of nobody."""
    port(w)
    first, second = (w.host.ensure_vlan_gateway("br0", 7, **keys) for _ in range(2))
    link = w.host.expect_vlan_gateway("br0", 7, **keys)
    peer = w.k.link_by_index(link.peer_index or 0)
    assert peer is not None
    return first == second, first.name, link.up, peer.up, vlans(w, peer.name)


def broken_gateway(w: World, change: Any) -> object:
    """A gateway that is altered is told, and completed when it is made again."""
    gateway(w)
    link = w.host.expect_link("br0.7")
    peer = w.k.link_by_index(link.peer_index or 0)
    assert peer is not None
    change(w, link, peer)
    text = ""
    try:
        w.host.expect_vlan_gateway("br0", 7)
    except errors.CniError as failure:
        text = failure.msg
    w.host.ensure_vlan_gateway("br0", 7)
    w.host.expect_vlan_gateway("br0", 7)
    return text


def filtering_off(w: World) -> object:
    """Somebody else's bridge is made to filter, and its ports stay as they are."""
    name = port(w, filtering=False)
    before = w.host.expect_link("br0").vlan_filtering
    w.host.ensure_bridge("br0", vlan_filtering=True)
    return before, w.host.expect_link("br0").vlan_filtering, vlans(w, name)


def many(w: World) -> object:
    """More than a message of the kernel would hold one by one."""
    name = port(w)
    w.host.set_port_vlans(name, pvid=1, tagged=range(2, 4095))
    return len(vlans(w, name)), vlans(w, name)[:2]


def a_foreign_gateway(w: World) -> object:
    port(w)
    w.bridge("br0.7")
    return w.host.ensure_vlan_gateway("br0", 7)


def a_gateway_of_another_bridge(w: World) -> object:
    gateway(w)
    other = w.bridge("br1").index
    peer = w.host.expect_link("br0.7").peer_index
    w.k.change_link(peer or 0, master=other)
    return w.host.ensure_vlan_gateway("br0", 7)


lab_scenarios: list[Scenario] = [
    lambda w: vlans(w, port(w)),
    lambda w: w.k.port_vlans(4711),
    lambda w: w.k.change_port_vlans(4711, add=[PVID]),
    lambda w: w.k.change_port_vlans(w.veth().index, add=[PVID]),
    lambda w: changed(w, [PVID]),
    lambda w: changed(w, [PVID, PortVlan(8), PortVlan(9), PortVlan(11)], (1, 2, 3)),
    lambda w: changed(w, [PVID._replace(id=1), PVID, PortVlan(7)]),
    lambda w: changed(w, [PortVlan(4094, untagged=True)], (1,)),
    lambda w: put(w, pvid=100),
    lambda w: put(w, pvid=100, tagged={101, *range(200, 211)}),
    lambda w: put(w, pvid=100, tagged=[100, 101], keep_others=True),
    lambda w: put(w, pvid=1, tagged=[7], keep_others=True),
    lambda w: put(w, keep_others=True),
    lambda w: put(w, tagged=[5]),
    lambda w: seen(w, made={"pvid": 7}, wanted={"pvid": 8}),
    lambda w: seen(w, made={"pvid": 7, "keep_others": True}, wanted={"pvid": 7}),
    lambda w: seen(w, made={"pvid": 7}, wanted={"pvid": 7, "keep_others": True}),
    lambda w: seen(w, made={"pvid": 7, "tagged": [8]}, wanted={"pvid": 8, "tagged": [7]}),
    lambda w: w.host.set_port_vlans("nope", pvid=7),
    lambda w: w.host.set_port_vlans("lo", pvid=7),
    lambda w: w.host.expect_port_vlans("lo", pvid=7),
    lambda w: w.host.ensure_vlan_gateway("br0", 7),
    lambda w: w.host.ensure_vlan_gateway("a-bridge-name", 1000),
    lambda w: w.host.expect_vlan_gateway("br0", 7),
    gateway,
    lambda w: gateway(w, keep_others=True),
    lambda w: broken_gateway(w, lambda w, link, _: w.k.change_link(link.index, up=False)),
    lambda w: broken_gateway(w, lambda w, _, peer: w.k.change_link(peer.index, up=False)),
    lambda w: broken_gateway(w, lambda w, link, _: w.k.remove_link(link.index)),
    lambda w: broken_gateway(
        w,
        lambda w, _, peer: w.k.change_port_vlans(peer.index, add=[PortVlan(9)]),
    ),
    lambda w: broken_gateway(
        w,
        lambda w, _, peer: w.k.change_port_vlans(peer.index, add=[PortVlan(7)]),
    ),
    lambda w: broken_gateway(
        w,
        lambda w, *_: (w.k.remove_link(w.host.expect_link("br0").index), port_again(w)),
    ),
    filtering_off,
    many,
    a_foreign_gateway,
    a_gateway_of_another_bridge,
    lambda w: (gateway(w), pair_with_mtu(w, 1400), w.host.ensure_vlan_gateway("br0", 7).mtu),
]


def port_again(w: World) -> None:
    """The bridge anew, after somebody had removed it."""
    w.host.ensure_bridge("br0", vlan_filtering=True)


def pair_with_mtu(w: World, mtu: int) -> None:
    """A second container with a smaller MTU."""
    w.container.remove_link("eth0")
    pair(w, mtu=mtu)
