"""firewall between bridges and within one: the rules of a policy, and what packets make of them."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from machine import Machine, Netns, attachment, together


pytestmark = pytest.mark.kernel

BACKENDS = ("iptables", "nftables")
POLICIES = ("open", "same-bridge", "isolated")
RULES = "CNI firewall plugin rules"


@pytest.fixture(autouse=True)
def no_bus(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own host has no firewalld, whatever the machine has."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={machine.root}/bus")


def conf(*, backend: str = "iptables", **keys: Any) -> dict[str, Any]:
    document = {"cniVersion": "1.1.0", "name": "mynet", "type": "firewall", "backend": backend}
    return {**document, **keys}


def _attached(machine: Machine, cfg: dict[str, Any], name: str, bridge: str, subnet: str) -> Netns:
    """A container on a bridge, with the firewall plugin behind the bridge plugin."""
    netns = machine.container()
    made = machine.conf(
        subnet, bridge=bridge, version="1.1.0", isDefaultGateway=True, ipMasq=False, name=bridge
    )
    first = machine.add(made, netns, container_id=name)
    machine.add(cfg, netns, container_id=name, prev=first)
    return netns


@pytest.mark.parametrize("tool", ["iptables", "ip6tables"])
@pytest.mark.parametrize("policy", POLICIES[1:])
def test_the_rules_of_a_policy(machine: Machine, container: Netns, policy: str, tool: str) -> None:
    """W-FW-3: text and order, one above the other; the isolation goes with DEL, the shared rules do not."""
    bridge = machine.conf("10.1.0.0/24", "fd01::/64", version="1.1.0")
    made = machine.add(bridge, container)
    cfg = conf(ingressPolicy=policy)

    def chain(name: str) -> list[str]:
        found = machine.host.run(tool, "-S", name).splitlines()
        return [each for each in found if each.startswith("-A ")]

    machine.add(cfg, container, prev=made)
    mine = f'-m comment --comment "{attachment().owner_tag}" -j'
    shared = f'-m comment --comment "{RULES} (ingressPolicy: same-bridge|isolated)" -j'
    within = [f"-A CNI-ISOLATION-STAGE-1 -i br0 -o br0 {mine} DROP"]
    forward = [
        f"-A FORWARD {shared} CNI-ISOLATION-STAGE-1",
        f'-A FORWARD -m comment --comment "{RULES}" -j CNI-FORWARD',
    ]
    ends = [f"-A CNI-ISOLATION-STAGE-{number} {shared} RETURN" for number in (1, 2)]
    assert chain("FORWARD") == forward
    assert chain("CNI-ISOLATION-STAGE-1") == [
        *(within if policy == "isolated" else []),
        f"-A CNI-ISOLATION-STAGE-1 -i br0 ! -o br0 {mine} CNI-ISOLATION-STAGE-2",
        ends[0],
    ]
    assert chain("CNI-ISOLATION-STAGE-2") == [
        f"-A CNI-ISOLATION-STAGE-2 -o br0 {mine} DROP",
        ends[1],
    ]

    machine.delete(cfg, container, prev=made)
    assert chain("FORWARD") == forward
    assert chain("CNI-ISOLATION-STAGE-1") + chain("CNI-ISOLATION-STAGE-2") == ends


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("policy", POLICIES)
def test_traffic_between_bridges(machine: Machine, backend: str, policy: str) -> None:
    """T: same-bridge allows foo-foo, blocks foo-bar both ways; isolated blocks both.

    Between ports of one bridge the packet filter sees nothing without br_netfilter.
    """
    filtered = (
        machine.host.namespace().sysctl("bridge/bridge-nf-call-iptables") == "1"
        and policy == "isolated"
    )
    cfg = conf(backend=backend, ingressPolicy=policy)
    foo = [_attached(machine, cfg, f"foo{n}", "br0", "10.1.0.0/24") for n in range(2)]
    bar = _attached(machine, cfg, "bar0", "br1", "10.2.0.0/24")

    passes = {
        (foo[0], foo[1]): not filtered,
        (foo[1], foo[0]): not filtered,
        (foo[0], bar): policy == "open",
        (bar, foo[0]): policy == "open",
    }

    def ping(sender: Netns, to: Netns, seconds: int) -> bool:
        return sender.ping(to.addresses("eth0")[0].partition("/")[0], seconds=seconds)

    answers = together([partial(ping, *pair, 5 if each else 1) for pair, each in passes.items()])
    assert answers == [*passes.values()]


def test_accepted_where_the_host_drops(machine: Machine) -> None:
    """What the plugin is for: FORWARD drops, and the container gets through; replies only back."""
    machine.host.sh("iptables -P FORWARD DROP")
    cfg = conf()
    one = _attached(machine, cfg, "c1", "br0", "10.1.0.0/24")
    other = machine.container()
    plain = machine.conf("10.2.0.0/24", bridge="br1", version="1.1.0", isDefaultGateway=True)
    machine.add(plain, other, container_id="c2")

    assert one.ping("10.2.0.2")
    assert not other.ping("10.1.0.2", seconds=1)
    machine.host.sh("iptables -A CNI-ADMIN -d 10.2.0.2 -j DROP")
    assert not one.ping("10.2.0.2", seconds=1)
