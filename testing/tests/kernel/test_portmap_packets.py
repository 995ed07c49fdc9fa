"""portmap with real packets: from outside, from the host, from the container itself and from its neighbours."""

from __future__ import annotations

from typing import Any

import pytest
from machine import Machine, Netns
from portmap_chain import Chain
from traffic import asked, neighbour, serving


pytestmark = pytest.mark.kernel

BACKENDS = ("nftables", "iptables")


@pytest.fixture(params=["ptp", "bridge"])
def chain(request: pytest.FixtureRequest, machine: Machine) -> Chain:
    return Chain(machine, request.param)


@pytest.mark.parametrize("backend", BACKENDS)
def test_tcp_from_everywhere(chain: Chain, container: Netns, backend: str) -> None:
    """T: direct, via the host's address, via 127.0.0.1, hairpin; and IPv6, and a neighbour (W-PM-11)."""
    outside, sibling = neighbour(chain.machine), chain.machine.container()
    chain.add_first(sibling, container_id="c2")
    here = chain.add(container, {"hostPort": 9999, "containerPort": 80}, backend=backend)
    with serving(container, "tcp", 80), serving(container, "tcp", 80, version=6):
        assert asked(chain.machine.host, "tcp", here.v4, 80)
        assert asked(outside, "tcp", "192.0.2.1", 9999) == "192.0.2.2"
        assert asked(outside, "tcp", "2001:db8:2::1", 9999) == "2001:db8:2::2"
        assert asked(chain.machine.host, "tcp", "192.0.2.1", 9999)
        assert asked(chain.machine.host, "tcp", "2001:db8:2::1", 9999)
        assert asked(chain.machine.host, "tcp", "127.0.0.1", 9999)
        assert asked(container, "tcp", "192.0.2.1", 9999)
        assert asked(container, "tcp", "2001:db8:2::1", 9999)
        assert asked(sibling, "tcp", "192.0.2.1", 9999)
        chain.check(container, here)
        chain.delete(container)
        assert not asked(outside, "tcp", "192.0.2.1", 9999, seconds=0.3)
        assert not asked(outside, "tcp", "2001:db8:2::1", 9999, seconds=0.3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_udp_goes_to_the_next_container(chain: Chain, container: Netns, backend: str) -> None:
    """T: UDP: direct and by the host; plugins#1190: a client that keeps its port reaches the second container after the first is gone."""
    outside, second = neighbour(chain.machine), chain.machine.container()
    mapping = {"hostPort": 5353, "containerPort": 53, "protocol": "udp"}

    def ask() -> str:
        return asked(outside, "udp", "192.0.2.1", 5353, source_port=4000, seconds=0.5)

    assert ask() == ""  # and now the host's own socket, or its absence, is what the flow leads to
    here = chain.add(container, mapping, backend=backend)
    with serving(container, "udp", 53):
        assert ask() == "192.0.2.2"
        assert asked(chain.machine.host, "udp", here.v4, 53)
        assert asked(chain.machine.host, "udp", "127.0.0.1", 5353)
        assert asked(container, "udp", "192.0.2.1", 5353)
    chain.delete(container)
    chain.add(second, mapping, backend=backend, container_id="c2")
    with serving(second, "udp", 53):
        assert ask() == "192.0.2.2"


@pytest.mark.parametrize("backend", BACKENDS)
def test_udp_flows_are_forgotten_in_delete(chain: Chain, container: Netns, backend: str) -> None:
    outside = neighbour(chain.machine)
    chain.add(
        container, {"hostPort": 5353, "containerPort": 53, "protocol": "UDP"}, backend=backend
    )
    with serving(container, "udp", 53):
        assert asked(outside, "udp", "192.0.2.1", 5353, source_port=4000)
    chain.delete(container)
    with serving(chain.machine.host, "udp", 5353):
        assert asked(outside, "udp", "192.0.2.1", 5353, source_port=4000) == "192.0.2.2"


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_not_sent_to_this_host_passes_unchanged(
    chain: Chain, container: Netns, backend: str
) -> None:
    """GHSA-jv3w-x3r3-g6rm: the host routes packets to the same port of another machine."""
    outside, further = neighbour(chain.machine), neighbour(chain.machine, 3)
    chain.add(container, {"hostPort": 9999, "containerPort": 80}, backend=backend)
    with serving(further, "tcp", 9999):
        assert asked(outside, "tcp", "192.0.3.2", 9999) == "192.0.2.2"
        assert asked(container, "tcp", "192.0.3.2", 9999)
        assert asked(chain.machine.host, "tcp", "192.0.3.2", 9999)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_address_of_the_host(chain: Chain, container: Netns, backend: str) -> None:
    """hostIP: other addresses of the host, 127.0.0.1 among them, do not lead there."""
    outside, further = neighbour(chain.machine), neighbour(chain.machine, 3)
    chain.add(
        container,
        {"hostPort": 9999, "containerPort": 80, "hostIP": "192.0.2.1"},
        {"hostPort": 9998, "containerPort": 80, "hostIP": "0.0.0.0"},
        {"hostPort": 9997, "containerPort": 80, "hostIP": "::"},
        {"hostPort": 9996, "containerPort": 80, "hostIP": "2001:db8:2::1"},
        backend=backend,
    )
    with serving(container, "tcp", 80), serving(container, "tcp", 80, version=6):
        assert asked(outside, "tcp", "192.0.2.1", 9999)
        assert not asked(further, "tcp", "192.0.3.1", 9999, seconds=0.3)
        assert not asked(chain.machine.host, "tcp", "127.0.0.1", 9999, seconds=0.3)
        assert not asked(outside, "tcp", "2001:db8:2::1", 9999, seconds=0.3)
        assert asked(further, "tcp", "192.0.3.1", 9998)
        assert not asked(outside, "tcp", "192.0.2.1", 9997, seconds=0.3)
        assert asked(further, "tcp", "2001:db8:3::1", 9997)
        assert not asked(further, "tcp", "2001:db8:3::1", 9996, seconds=0.3)
        assert asked(outside, "tcp", "2001:db8:2::1", 9996)


@pytest.mark.parametrize("backend", BACKENDS)
def test_conditions_of_one_network_are_not_anothers(
    chain: Chain, container: Netns, backend: str
) -> None:
    """W-PM-2: who is let through to one container is no matter of another one's ADD."""
    outside, further = neighbour(chain.machine), neighbour(chain.machine, 3)
    second = chain.machine.container()
    words = ["ip saddr", "192.0.2.2"] if backend == "nftables" else ["-s", "192.0.2.2"]
    chain.add(
        container, {"hostPort": 9999, "containerPort": 80}, backend=backend, conditionsV4=words
    )
    other = Chain(chain.machine, chain.kind, name="othernet", subnet="10.2.0.0/24")
    other.add(second, {"hostPort": 9998, "containerPort": 80}, backend=backend, container_id="c2")
    with serving(container, "tcp", 80), serving(second, "tcp", 80):
        assert asked(outside, "tcp", "192.0.2.1", 9999)
        assert not asked(further, "tcp", "192.0.3.1", 9999, seconds=0.3)
        assert asked(further, "tcp", "192.0.3.1", 9998)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("keys", "seen"),
    [({"masqAll": True}, "10.1.0.1"), ({}, "192.0.2.2"), ({"snat": False}, "192.0.2.2")],
)
def test_whom_the_container_sees(
    machine: Machine, container: Netns, backend: str, keys: dict[str, Any], seen: str
) -> None:
    """MasqAll: whatever is forwarded comes from the host; packets that are not forwarded never do."""
    chain = Chain(machine, "bridge")
    outside = neighbour(machine)
    here = chain.add(container, {"hostPort": 9999, "containerPort": 80}, backend=backend, **keys)
    with serving(container, "tcp", 80):
        assert asked(outside, "tcp", "192.0.2.1", 9999) == seen
        assert asked(outside, "tcp", here.v4, 80) == "192.0.2.2"
        local = asked(machine.host, "tcp", "127.0.0.1", 9999, seconds=0.5)
        assert bool(local) == keys.get("snat", True)
