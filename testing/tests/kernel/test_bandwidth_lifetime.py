"""What bandwidth does after ADD and when it fails: CHECK, DEL, GC, others' limits; and real traffic."""

from __future__ import annotations

import pytest
from limited_veth import BOTH, conf, filters, ifbs, prev, qdiscs, wire
from machine import Machine, Netns
from traffic import throughput

from cnisdk._net._kernel._shaping import Shaping
from cnisdk._net._qdisc import Qdisc


pytestmark = pytest.mark.kernel


@pytest.fixture(autouse=True)
def veth(machine: Machine, container: Netns) -> None:
    """What an earlier plugin has made."""
    wire(machine, container)


def test_a_failing_add_leaves_nothing(machine: Machine, container: Netns) -> None:
    """W-BW-3: what was made before the failure goes."""
    machine.host.sh("tc qdisc add dev veth0 clsact")
    out = machine.call("ADD", conf(**BOTH), container, prev=prev(container))

    assert 'the ingress of "veth0" is taken: clsact ffff:' in out.error
    assert [each[0] for each in qdiscs(machine.host, "veth0")] == ["clsact"]
    assert ifbs(machine) == []


def test_somebody_elses_qdisc_stays(machine: Machine, container: Netns) -> None:
    machine.host.sh("tc qdisc add dev veth0 root handle 7: htb")
    out = machine.call("ADD", conf(**BOTH), container, prev=prev(container))
    machine.delete(conf(**BOTH), container)

    assert '"veth0" has a queueing discipline already: htb 7:' in out.error
    assert [each[:2] for each in qdiscs(machine.host, "veth0")] == [("htb", "7:")]


def test_filters_of_others_stay(machine: Machine, container: Netns) -> None:
    machine.host.sh("tc qdisc add dev veth0 ingress")
    machine.host.run(
        *[
            "tc",
            "filter",
            "add",
            "dev",
            "veth0",
            "parent",
            "ffff:",
            "prio",
            "5",
            "protocol",
            "ip",
            "u32",
            "match",
            "u32",
            "0",
            "0",
        ],
        *["action", "mirred", "egress", "redirect", "dev", "lo"],
    )
    cfg = conf(**BOTH)
    result = machine.add(cfg, container, prev=prev(container))
    machine.check(cfg, container, result)
    machine.delete(cfg, container)

    assert [each[0] for each in qdiscs(machine.host, "veth0")] == ["ingress"]
    assert len(filters(machine)) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("tc qdisc del dev veth0 root", 'Failed to find qdisc: no tbf limits "veth0"'),
        ("tc qdisc replace dev veth0 root handle 9: htb", 'no tbf limits "veth0", there is htb'),
        (
            "tc qdisc replace dev veth0 root handle 1: tbf rate 9mbit burst 9000 limit 9000",
            "Rate doesn't match",
        ),
        (
            "tc qdisc replace dev veth0 root handle 1: tbf rate 8mbit burst 100000 limit 9000",
            "Limit doesn't match",
        ),
        (
            "tc qdisc replace dev veth0 root handle 1: tbf rate 8mbit burst 90000 limit 125000",
            "Buffer doesn't match",
        ),
        ("tc qdisc del dev IFB root", 'no tbf limits "bwp'),
        ("tc qdisc del dev veth0 ingress", '"veth0" has no ingress qdisc'),
        ("tc filter del dev veth0 parent ffff:", "the filter that redirects what comes in"),
        ("ip link del IFB", 'get ifb device: "bwp'),
        ("ip link set IFB down", "state is down, not up"),
        ("ip link set IFB mtu 1000", "MTU is 1000, not 1400"),
        ("ip link set veth0 name veth7", "no veth peer of container interface"),
    ],
)
def test_check_notices(machine: Machine, container: Netns, change: str, message: str) -> None:
    """W-BW-4: each object removed or altered is named."""
    cfg = conf(**BOTH)
    result = machine.add(cfg, container, prev=prev(container))
    if change.startswith("ip link set veth0"):
        machine.host.ip("link set veth0 down")
    machine.host.sh(change.replace("IFB", ifbs(machine)[0]))

    assert message in machine.call("CHECK", cfg, container, prev=result).error


def test_check_notices_another_filter(machine: Machine, container: Netns) -> None:
    """W-BW-4: one that lets something past, one that goes elsewhere."""
    cfg = conf(**BOTH)
    result = machine.add(cfg, container, prev=prev(container))
    for match, to in (("ip dst 10.0.0.1", ifbs(machine)[0]), ("u32 0 0", "lo")):
        machine.host.sh("tc filter del dev veth0 parent ffff:")
        machine.host.sh(
            f"tc filter add dev veth0 parent ffff: prio 1 protocol all u32 match {match} "
            f"action mirred egress redirect dev {to}"
        )
        assert "is altered" in machine.call("CHECK", cfg, container, prev=result).error


@pytest.mark.parametrize("what", ["empty", "vanished", "without prevResult", "broken"])
def test_del_leaves_nothing(machine: Machine, container: Netns, what: str) -> None:
    """DEL needs neither namespace nor prevResult nor a valid configuration."""
    cfg = conf(**BOTH)
    result = machine.add(cfg, container, prev=prev(container))
    path = "" if what in {"empty", "vanished"} else container.path
    if what == "vanished":
        container.close()
        path = "/run/netns/nobody"
    cfg = {**cfg, "ingressRate": "x"} if what == "broken" else cfg
    machine.delete(cfg, path, **({"prev": result} if what == "empty" else {}))

    assert ifbs(machine) == []
    if what != "vanished":
        assert qdiscs(machine.host, "veth0") == []


def test_a_late_del_spares_the_next_container(machine: Machine, container: Netns) -> None:
    """The namespace's path and the interface's name are another container's meanwhile."""
    machine.host.ip("link del veth0")
    bridge = machine.conf(version="1.1.0")
    first = machine.add(bridge, container, container_id="c2")
    cfg = conf(version="1.1.0", **BOTH)
    result = machine.add(cfg, container, prev=first, container_id="c2")
    machine.delete(cfg, container)

    machine.check(cfg, container, result, container_id="c2")


def test_del_of_a_stranger_changes_nothing(machine: Machine, container: Netns) -> None:
    """The mark on the host's end says whose its limits are; DEL and GC take it away again."""
    cfg = conf(**BOTH)
    result = machine.add(cfg, container, prev=prev(container))
    machine.delete(cfg, container, container_id="c2")
    machine.check(cfg, container, result)
    assert machine.host.link("veth0")["ifalias"].startswith("limits: ")
    machine.delete(cfg, container)

    assert "ifalias" not in machine.host.link("veth0")


@pytest.mark.parametrize("verb", ["DEL", "GC"])
def test_a_veth_that_goes_meanwhile_has_gone(
    machine: Machine, container: Netns, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """The links of a namespace go some time after it: one that was found may not be there any more."""
    cfg = conf(**BOTH)
    machine.add(cfg, container, prev=prev(container))
    look = Shaping.qdisc

    def late(kernel: Shaping, index: int, parent: int) -> Qdisc | None:
        machine.host.try_run("ip", "link", "del", "veth0")
        return look(kernel, index, parent)

    monkeypatch.setattr(Shaping, "qdisc", late)
    if verb == "DEL":
        machine.delete(cfg, container)
    else:
        machine.gc(cfg)

    assert set(machine.host.links()) == {"lo"}


def test_gc_removes_what_is_not_valid(machine: Machine, container: Netns) -> None:
    """And what redirected packets to it, so that nothing is lost where the veth stays."""
    cfg = conf(**BOTH)
    machine.add(cfg, container, prev=prev(container))
    for keep in ([("c1", "eth0")], [("c1", "eth0"), ("c2", "eth0")]):
        machine.gc(cfg, *keep)
        assert len(ifbs(machine)) == 1
    machine.gc({**cfg, "name": "other"})
    assert len(ifbs(machine)) == 1
    machine.gc(cfg)
    assert ifbs(machine) == []
    assert qdiscs(machine.host, "veth0") == []


def test_reboot(machine: Machine, container: Netns) -> None:
    """Nothing is kept outside the kernel."""
    cfg = conf(**BOTH)
    machine.add(cfg, container, prev=prev(container))
    machine.reboot()
    machine.delete(cfg, "")
    machine.gc(cfg)

    assert set(machine.host.links()) == {"lo"}
    assert {each for each in machine.files() if not each.startswith("run/invocations")} == set()


def test_measured_throughput(machine: Machine, container: Netns) -> None:
    """Both directions are within 15 % of what is configured, chained after ptp (T)."""
    machine.host.ip("link del veth0")
    ptp = machine.conf("10.1.0.0/24", type="ptp", version="1.1.0")
    cfg = conf(
        version="1.1.0",
        ingressRate=16_000_000,
        ingressBurst=1_600_000,
        egressRate=8_000_000,
        egressBurst=800_000,
    )
    result = machine.add(cfg, container, prev=machine.add(ptp, container))
    machine.check(ptp, container, result)
    machine.check(cfg, container, result)

    for rate, sender, receiver, address in (
        (16_000_000, machine.host, container, "10.1.0.2"),
        (8_000_000, container, machine.host, "10.1.0.1"),
    ):
        measured = [throughput(sender, receiver, address) * 8]
        while measured[-1] < 0.85 * rate and len(measured) < 3:
            # A machine busy with other tests sends less than it may, but never more.
            measured.append(throughput(sender, receiver, address) * 8)
        assert measured[-1] == pytest.approx(rate, rel=0.15)
        assert max(measured) < 1.15 * rate
    machine.delete(cfg, container, prev=result)
    assert throughput(container, machine.host, "10.1.0.1") * 8 > 30_000_000
