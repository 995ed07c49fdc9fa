"""The laws of cnisdk.testing on the reference plugins that make interfaces."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_interface
from typing import Any

import pytest

from cnisdk._result import Interface, Ip, Result
from cnisdk.testing import FakeIpam, HostState, LinkState, Runtime, laws
from reference_plugins.bandwidth import Bandwidth
from reference_plugins.bridge import Bridge
from reference_plugins.dummy import Dummy
from reference_plugins.firewall import Firewall
from reference_plugins.ipvlan import Ipvlan
from reference_plugins.loopback import Loopback
from reference_plugins.macvlan import Macvlan
from reference_plugins.portmap import Portmap
from reference_plugins.ptp import Ptp
from reference_plugins.tap import Tap
from reference_plugins.vlan import Vlan


IPAM = {"ipam": {"type": "pool"}}
V4 = FakeIpam.giving("10.1.0.5/24", gateway="10.1.0.1", routes=("172.16.0.0/12",))
V6 = FakeIpam.giving("fd01::5/64")
DUAL = FakeIpam.giving("10.1.0.5/24", "fd01::5/64", routes=("0.0.0.0/0", "2001:db8::/32"))

BRIDGES: dict[str, tuple[dict[str, Any], FakeIpam]] = {
    "L2": ({}, FakeIpam()),
    "L2 with flags": (
        {"mtu": 1400, "hairpinMode": True, "portIsolation": True, "macspoofchk": True},
        FakeIpam(),
    ),
    "L2 left down": ({"disableContainerInterface": True}, FakeIpam()),
    "IPv4": (IPAM, V4),
    "IPv6 with detection": ({**IPAM, "enabledad": True, "isGateway": True}, V6),
    "gateway": ({**IPAM, "isGateway": True, "forceAddress": True}, V4),
    "everything": (
        {
            **IPAM,
            "isDefaultGateway": True,
            "ipMasq": True,
            "macspoofchk": True,
            "promiscMode": True,
        },
        DUAL,
    ),
    "VLAN": ({**IPAM, "vlan": 100, "isGateway": True}, DUAL),
    "trunk": ({"vlanTrunk": [{"minID": 7, "maxID": 9}], "preserveDefaultVlan": True}, FakeIpam()),
    "iptables": ({**IPAM, "ipMasq": True, "ipMasqBackend": "iptables"}, DUAL),
}
STATES: dict[str, Callable[[], HostState]] = {
    "fresh": HostState,
    "with the bridge": lambda: HostState.with_bridge("cni0", mtu=9000),
}
PORTS: dict[str, Any] = {
    "runtimeConfig": {
        "portMappings": [
            {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
            {"hostPort": 8053, "containerPort": 53, "protocol": "udp", "hostIP": "127.0.0.1"},
        ]
    }
}
LAWS = (
    laws.add_is_atomic,
    laws.delete_cleans_up_after_a_crash,
    laws.delete_undoes_add,
    laws.delete_is_idempotent,
    laws.delete_needs_no_namespace,
    laws.check_accepts_add_and_rejects_each_removal,
    laws.gc_removes_what_is_not_valid,
)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", BRIDGES)
def test_bridge_keeps_the_laws(name: str, law: Any, state: str) -> None:
    """Design section 4: ADD is atomic, DEL and GC need nothing, CHECK is sharp."""
    conf, ipam = BRIDGES[name]

    assert law(Runtime(Bridge, conf=conf), STATES[state](), ipam=ipam) is None


@pytest.mark.parametrize("name", BRIDGES)
def test_bridge_keeps_all_laws_under_another_name(name: str) -> None:
    """`check_all` is the sum of the laws; ids, namespace and MAC are the runtime's."""
    conf, ipam = BRIDGES[name]
    runtime = Runtime(
        Bridge,
        conf={**conf, "bridge": "br7"},
        network="other-net",
        container_id="some.container_id",
        ifname="net1",
        args={"MAC": "02:00:00:00:00:07"},
    )

    assert laws.check_all(runtime, ipam=ipam) is None


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("conf", [{}, {"ipMasq": True, "mtu": 1400}], ids=["plain", "masquerade"])
def test_ptp_keeps_the_laws(conf: dict[str, Any], law: Any) -> None:
    gateways = FakeIpam.giving("10.1.0.5/24", gateway="10.1.0.1", routes=("0.0.0.0/0",))

    assert law(Runtime(Ptp, conf={**conf, **IPAM}), HostState(), ipam=gateways) is None


def with_master() -> HostState:
    """A machine with an interface others can be made on."""
    return HostState().with_link("", "m0", LinkState(mac="02:00:00:00:00:33", mtu=1500, up=True))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("ipam", [None, V4, DUAL], ids=["L2", "IPv4", "dual"])
@pytest.mark.parametrize(
    "plugin", [Macvlan, Ipvlan, Vlan, Dummy, Tap], ids=lambda each: each.__name__
)
def test_interfaces_in_the_container_keep_the_laws(
    plugin: Any, ipam: FakeIpam | None, law: Any
) -> None:
    if ipam is None and plugin not in {Macvlan, Tap}:
        ipam = V6  # the others need an address
    conf: dict[str, Any] = {} if plugin in {Dummy, Tap} else {"master": "m0"}
    conf |= IPAM if ipam else {}

    assert law(Runtime(plugin, conf=conf), with_master(), ipam=ipam or FakeIpam()) is None


LIMITS = {"ingressRate": 800, "ingressBurst": 80, "egressRate": 1600, "egressBurst": 80}
BEHIND = Result(
    (Interface("veth0"), Interface("eth0", sandbox="/run/netns/c1")),
    (Ip(ip_interface("10.1.0.5/24"), interface=1), Ip(ip_interface("fd01::5/64"), interface=1)),
)


def wired() -> HostState:
    """A machine with a container that an earlier plugin has connected."""
    ends = {"": ("veth0", ("/run/netns/c1", "eth0")), "/run/netns/c1": ("eth0", ("", "veth0"))}
    machine = HostState()
    for path, (name, peer) in ends.items():
        machine = machine.with_link(path, name, LinkState(kind="veth", up=True, peer=peer))
    return machine


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(
    ("plugin", "conf"),
    [
        (Bandwidth, LIMITS),
        (Bandwidth, {key: it for key, it in LIMITS.items() if key.startswith("in")}),
        (Bandwidth, {"runtimeConfig": {"bandwidth": LIMITS}}),
        (Bandwidth, {}),
        (Firewall, {"backend": "nftables"}),
        (Firewall, {"backend": "nftables", "ingressPolicy": "isolated"}),
        (Portmap, PORTS),
        (Portmap, {**PORTS, "backend": "iptables", "masqAll": True}),
        (Portmap, {}),
    ],
)
def test_chained_plugins_keep_the_laws(plugin: Any, conf: dict[str, Any], law: Any) -> None:
    assert law(Runtime(plugin, conf=conf, prev_result=BEHIND), wired()) is None


def test_the_law_of_check_has_teeth() -> None:
    """What the law removes in turn are the objects ADD made: link, address, routes, rules."""
    conf, ipam = BRIDGES["everything"]
    runtime = Runtime(Bridge, conf=conf)
    added = runtime.add(ipam=ipam)
    removed = [what for what, _ in laws._each_removal(HostState(), added.host, runtime.netns)]

    assert len(removed) >= 10
    assert {"the interface eth0", "the address 10.1.0.5/24", "the spoof rule"} <= set(removed)


@pytest.mark.parametrize(
    "law",
    [
        laws.add_is_atomic,
        laws.delete_cleans_up_after_a_crash,
        laws.delete_undoes_add,
        laws.delete_is_idempotent,
        laws.delete_needs_no_namespace,
        laws.gc_removes_what_is_not_valid,
    ],
    ids=lambda law: law.__name__,
)
def test_loopback_keeps_the_laws(law: Any) -> None:
    """It makes no interface, so that there is none to remove; the other laws hold.

    The kernel gives lo its IPv4 address when it first comes up, and leaves it there when it goes down.
    """
    assert law(loopback(), with_lo(up=False)) is None


def test_loopback_keeps_prev_result() -> None:
    """3.5: result = prev unchanged if given."""
    prev = Result((Interface("eth0", sandbox="/run/netns/c1"),), (Ip(ip_interface("10.1.0.5/24")),))

    assert laws.prev_result_survives(loopback(), prev) is None


def test_loopback_that_was_up_stays_as_it_was() -> None:
    """W-LO-2, as a law: DEL undoes ADD, and ADD had done nothing."""
    assert laws.delete_undoes_add(loopback(), with_lo(up=True)) is None
    assert laws.add_is_atomic(loopback(), with_lo(up=True)) is None


def loopback() -> Runtime:
    return Runtime(Loopback, ifname="lo")


def with_lo(*, up: bool) -> HostState:
    lo = LinkState(mac="00:00:00:00:00:00", mtu=65536, up=up, addresses=("127.0.0.1/8",))
    return HostState().with_link("/run/netns/c1", "lo", lo)
