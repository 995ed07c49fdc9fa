"""bandwidth against the real kernel: the test cases of the Go plugin, its known faults."""

from __future__ import annotations

from typing import Any

import pytest
from limited_veth import BOTH, EGRESS, INGRESS, SMALLEST, conf, filters, ifbs, prev, qdiscs, wire
from machine import Machine, Netns


pytestmark = pytest.mark.kernel

VERSIONS = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
WITH_CHECK = {"0.4.0", "1.0.0", "1.1.0"}
CONTAINERD_BURST = 2**32 - 1


@pytest.fixture(autouse=True)
def veth(machine: Machine, container: Netns) -> None:
    """What an earlier plugin has made."""
    wire(machine, container)


@pytest.mark.parametrize("source", ["keys", "runtime", "other spelling"])
@pytest.mark.parametrize("version", VERSIONS)
def test_both_directions(machine: Machine, container: Netns, version: str, source: str) -> None:
    """T: rates, ifb MTU, filter target, via runtimeConfig; DEL removes the ifb."""
    keys = {
        "keys": BOTH,
        "runtime": {"runtimeConfig": {"bandwidth": BOTH}},
        "other spelling": {"runtimeConfig": {"bandWidth": BOTH}},
    }[source]
    cfg, given = conf(version=version, **keys), prev(container, version)
    result = machine.add(cfg, container, prev=given)

    (ifb,) = ifbs(machine)
    link = machine.host.link(ifb)
    assert [each["name"] for each in result["interfaces"]] == ["veth0", "eth0", ifb]
    assert result["interfaces"][2]["mac"] == link["address"]
    assert (link["mtu"], link.get("txqlen", 0), "UP" in link["flags"]) == (1400, 0, True)
    assert qdiscs(machine.host, "veth0") == [
        ("tbf", "1:", 1_000_000, 100_000),
        ("ingress", "ffff:", None, None),
    ]
    assert qdiscs(machine.host, ifb) == [("tbf", "1:", 500_000, 50_000)]
    (filter_,) = filters(machine)
    assert [each["to_dev"] for each in filter_["actions"]] == [ifb]
    assert (filter_["flowid"], filter_["match"]["mask"]) == ("1:1", "0")
    if version in WITH_CHECK:
        machine.check(cfg, container, result)
    for _ in range(2):
        machine.delete(cfg, container, prev=result)
        assert qdiscs(machine.host, "veth0") == []
        assert ifbs(machine) == []


def test_the_smallest_rates(machine: Machine, container: Netns) -> None:
    """T: rates 8 and 16 bit/s are 1 and 2 bytes/s, limit 1."""
    machine.add(conf(**SMALLEST), container, prev=prev(container))
    (ifb,) = ifbs(machine)

    for name, rate in (("veth0", 1), (ifb, 2)):
        qdisc = machine.host.namespace().kernel.qdisc(
            machine.host.link(name)["ifindex"], 0xFFFFFFFF
        )
        assert qdisc is not None
        assert (qdisc.rate, qdisc.limit) == (rate, 1)


@pytest.mark.parametrize("zero", [{}, {"egressRate": 0, "egressBurst": 0}])
def test_only_what_goes_in(machine: Machine, container: Netns, zero: dict[str, Any]) -> None:
    """T: egress disabled: no ifb."""
    cfg = conf(**INGRESS, **zero)
    result = machine.add(cfg, container, prev=prev(container))

    assert result["interfaces"] == prev(container)["interfaces"]
    assert ifbs(machine) == []
    assert [each[0] for each in qdiscs(machine.host, "veth0")] == ["tbf"]
    machine.check(cfg, container, result)
    machine.delete(cfg, container)
    assert qdiscs(machine.host, "veth0") == []


def test_only_what_comes_out(machine: Machine, container: Netns) -> None:
    """T: ingress disabled."""
    cfg = conf(**EGRESS)
    result = machine.add(cfg, container, prev=prev(container))

    assert [each[0] for each in qdiscs(machine.host, "veth0")] == ["ingress"]
    machine.check(cfg, container, result)


@pytest.mark.parametrize("keys", [{}, dict.fromkeys(BOTH, 0), {"runtimeConfig": {"bandwidth": {}}}])
def test_no_limits_pass_prev_result_on(
    machine: Machine, container: Netns, keys: dict[str, Any]
) -> None:
    """T: (0,0); W-BW-1: without prevResult an error, no panic."""
    cfg = conf(**keys)
    result = machine.add(cfg, container, prev=prev(container))

    assert result["interfaces"] == prev(container)["interfaces"]
    assert qdiscs(machine.host, "veth0") == []
    machine.check(cfg, container, result)
    assert machine.call("ADD", cfg, container).document["code"] == 7


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"ingressRate": 8}, "if rate is set, burst must also be set"),
        ({"egressBurst": 8}, "if burst is set, rate must also be set"),
        ({"egressRate": 8, "egressBurst": 8 * (2**32 - 1)}, "burst cannot be more than 4GB"),
        ({"ingressRate": 8, "ingressBurst": 8 * (2**32 - 1)}, "burst cannot be more than 4GB"),
        ({"egressRate": 7, "egressBurst": 8}, "egressRate: 7: must be at least 8 bit/s"),
        ({"runtimeConfig": {"bandwidth": {"ingressRate": 8}}}, "if rate is set"),
        ({"ingressRate": -8, "ingressBurst": 8}, "ingressRate"),
        ({"ingressRate": "8M", "ingressBurst": 8}, "ingressRate"),
    ],
)
def test_bad_limits(machine: Machine, container: Netns, keys: dict[str, Any], message: str) -> None:
    """T: burst without rate, burst limits around 4 GiB, (0,1), (1,0); W-BW-3: below 8 bit/s."""
    cfg = conf(version="1.1.0", **keys)
    for verb in ("ADD", "CHECK", "STATUS"):
        out = machine.call(verb, cfg, container, prev=prev(container, "1.1.0"))
        assert message in out.error
        assert out.document["code"] in {6, 7}
    assert qdiscs(machine.host, "veth0") == []
    machine.delete(cfg, container)
    machine.gc(cfg)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_the_largest_burst(
    machine: Machine, container: Netns, version: str, direction: str
) -> None:
    """T: burst limits around 4 GiB: what is just below is taken."""
    keys = {f"{direction}Rate": 8_000_000, f"{direction}Burst": 4 * 1024**3 * 8 - 16}
    cfg = conf(version=version, **keys)
    result = machine.add(cfg, container, prev=prev(container, version))

    (limited,) = ["veth0"] if direction == "ingress" else ifbs(machine)
    assert qdiscs(machine.host, limited)[0][:3] == ("tbf", "1:", 1_000_000)
    if version in WITH_CHECK:
        machine.check(cfg, container, result)


def test_the_burst_of_containerd(machine: Machine, container: Netns) -> None:
    """W-BW-3: 2^32-1 bits of burst at any rate: what does not fit is cut, not wrapped."""
    cfg = conf(
        runtimeConfig={
            "bandwidth": {
                "ingressRate": 1_000_000,
                "ingressBurst": CONTAINERD_BURST,
                "egressRate": 10**11,
                "egressBurst": CONTAINERD_BURST,
            }
        }
    )
    result = machine.add(cfg, container, prev=prev(container))

    (ifb,) = ifbs(machine)
    machine.check(cfg, container, result)
    ((_, _, _, burst), _) = qdiscs(machine.host, "veth0")
    assert burst > 30_000_000
    assert qdiscs(machine.host, ifb)[0][2] == 12_500_000_000


@pytest.mark.parametrize(
    ("static", "shadows"),
    [(INGRESS, True), ({"ingressRate": 0, "ingressBurst": 0}, False)],
)
def test_keys_and_runtime(
    machine: Machine, container: Netns, static: dict[str, Any], *, shadows: bool
) -> None:
    """T: static config shadows runtimeConfig; W-BW-5: zeros alone do not."""
    runtime = {"bandwidth": {"egressRate": 16_000, "egressBurst": 160_000}}
    machine.add(conf(**static, runtimeConfig=runtime), container, prev=prev(container))

    assert (ifbs(machine) == []) == shadows


def test_several_host_interfaces(machine: Machine, container: Netns) -> None:
    """T: several host veths in prev: the one whose peer the container has is limited."""
    wire(machine, machine.container(), "veth9")
    given = prev(container, "1.0.0", "veth9", "veth0")
    machine.add(conf(**BOTH), container, prev=given)

    assert qdiscs(machine.host, "veth9") == []
    assert len(qdiscs(machine.host, "veth0")) == 2


def test_what_prev_result_must_have(machine: Machine, container: Netns) -> None:
    """T: not a veth; no interfaces; host interface missing."""
    container.ip("link add br1 type bridge")
    cases = [
        ({**prev(container), "interfaces": [], "ips": []}, "eth0", "no interfaces provided"),
        (prev(container), "br1", "container interface br1 has no veth peer"),
        (prev(container, "1.0.0", "veth9"), "eth0", "no veth peer of container interface found"),
        (prev(container), "eth7", '"eth7" not found'),
    ]
    for given, ifname, message in cases:
        for verb in ("ADD", "CHECK"):
            out = machine.call(verb, conf(**BOTH), container, prev=given, ifname=ifname)
            assert message in out.error
    machine.host.ip(f"link set veth0 netns {machine.container().path}")
    out = machine.call("ADD", conf(**BOTH), container, prev=prev(container))
    assert "is not in host ns" in out.error


def test_a_second_add_changes_the_numbers(machine: Machine, container: Netns) -> None:
    """7.6: in Go a repeated ADD fails with "file exists"."""
    first = machine.add(conf(**SMALLEST), container, prev=prev(container))
    result = machine.add(conf(**BOTH), container, prev=prev(container))

    assert result == first
    machine.check(conf(**BOTH), container, result)
    assert len(ifbs(machine)) == len(filters(machine)) == 1


def test_two_limited_interfaces_of_a_container(machine: Machine, container: Netns) -> None:
    """W-BW-2: the second one gets an ifb of its own; each goes with its own DEL."""
    wire(machine, container, "veth1", "eth1")
    cfg = conf(**BOTH)
    first = machine.add(cfg, container, prev=prev(container))
    given = prev(container, "1.0.0", "veth1", ifname="eth1")
    second = machine.add(cfg, container, prev=given, ifname="eth1")

    assert len(ifbs(machine)) == 2
    machine.check(cfg, container, first)
    machine.check(cfg, container, second, ifname="eth1")
    machine.delete(cfg, container, prev=first)
    assert ifbs(machine) == [second["interfaces"][2]["name"]]
    machine.check(cfg, container, second, ifname="eth1")
    machine.delete(cfg, "", ifname="eth1")
    assert ifbs(machine) == []
    assert qdiscs(machine.host, "veth1") == []


def test_only_the_chained_container_is_limited(machine: Machine, container: Netns) -> None:
    """T: integration: bridge+bandwidth limits only the chained container."""
    bridge = machine.conf("10.1.0.0/24", isGateway=True)
    container.ip("link del eth0")
    ends: dict[str, str] = {}
    for name, netns in (("c1", container), ("c2", machine.container())):
        made = machine.add(bridge, netns, container_id=name)
        ends[name] = made["interfaces"][1]["name"]
        if name == "c1":
            result = machine.add(conf(**BOTH), netns, prev=made)
            machine.check(conf(**BOTH), netns, result)

    assert [each[0] for each in qdiscs(machine.host, ends["c1"])] == ["tbf", "ingress"]
    assert qdiscs(machine.host, ends["c2"]) == qdiscs(machine.host, "br0") == []
    assert len(ifbs(machine)) == 1
