"""bridge: DEL in every state of the machine, rollback of ADD, GC, STATUS, bad input."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from machine import Machine, Netns, attachment

from cnisdk._net._firewall import KernelFirewall
from cnisdk._net._kernel import NetlinkKernel


pytestmark = pytest.mark.kernel

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
SUBNETS = ("10.1.0.0/24", "fd01::/64")


@pytest.fixture
def conf(machine: Machine) -> dict[str, Any]:
    """All that leaves something on the host."""
    return machine.conf(*SUBNETS, isDefaultGateway=True, ipMasq=True, macspoofchk=True)


# ---- DEL ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_del_without_add_succeeds(machine: Machine, container: Netns, version: str) -> None:
    """T: DEL without prior ADD succeeds."""
    machine.delete(machine.conf(*SUBNETS, version=version, ipMasq=True), container)

    assert machine.leftovers() == []
    assert set(machine.host.links()) == {"lo"}


def test_del_twice_succeeds(machine: Machine, container: Netns, conf: dict[str, Any]) -> None:
    """Matrix 6.1: DEL twice ok."""
    result = machine.add(conf, container)
    machine.delete(conf, container, prev=result)
    machine.delete(conf, container, prev=result)

    assert machine.leftovers() == []


def test_a_late_del_leaves_the_next_container_alone(
    machine: Machine, container: Netns, conf: dict[str, Any]
) -> None:
    """kubernetes#100648: the path of a namespace has been given to another container meanwhile."""
    result = machine.add(conf, container, container_id="next")
    machine.delete(conf, container, container_id="late")

    machine.check(conf, container, result, container_id="next")
    machine.delete(conf, container, container_id="next")
    assert machine.leftovers() == []


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
@pytest.mark.parametrize(
    "netns", ["empty", "vanished", "no namespace", "link gone", "addresses gone"]
)
def test_del_leaves_nothing_whatever_became_of_the_container(
    machine: Machine, container: Netns, conf: dict[str, Any], netns: str, backend: str
) -> None:
    """W-BR-2, A4: empty or vanished netns must not leak rules; T: delete removes both ends, with no IPs."""
    conf["ipMasqBackend"] = backend
    machine.add(conf, container)
    path: Any = {"empty": "", "no namespace": "/proc/self/ns/uts"}
    if netns == "vanished":
        path["vanished"] = container.path
        container.close()
    if netns == "link gone":
        container.ip("link del eth0")
    if netns == "addresses gone":
        container.ip("address flush dev eth0")

    machine.delete(conf, path.get(netns, container))

    assert machine.leftovers() == []


@pytest.mark.parametrize(
    "broken",
    [
        {"mtu": "many"},
        {"bridge": 7},
        {"ipMasq": "yes"},
        {"hairpinMode": True, "promiscMode": True},
        {"ipMasqBackend": "ebtables"},
        {"runtimeConfig": {"mac": 3}},
        {"vlan": 5000},
        {"prevResult": {"ips": "garbage"}},
    ],
)
def test_del_survives_a_configuration_that_was_broken_since(
    machine: Machine, container: Netns, conf: dict[str, Any], broken: dict[str, Any]
) -> None:
    """Design section 3: DEL needs only name, container id and ifname (flannel#1662)."""
    machine.add(conf, container)

    machine.delete({**conf, **broken}, container)

    assert machine.leftovers() == []
    assert set(container.links()) == {"lo"}


def test_del_does_not_need_the_configuration_that_made_things(
    machine: Machine, container: Netns, conf: dict[str, Any]
) -> None:
    """The operator turned ipMasq and macspoofchk off between ADD and DEL."""
    machine.add(conf, container)

    machine.delete(machine.conf(*SUBNETS), container)

    assert machine.leftovers() == []


def test_del_leaves_the_other_containers_alone(
    machine: Machine, container: Netns, conf: dict[str, Any]
) -> None:
    """Only what carries the attachment's name is removed."""
    other = machine.container()
    machine.add(conf, container)
    theirs = machine.add(conf, other, container_id="c2")

    machine.delete(conf, container)

    machine.check(conf, other, theirs, container_id="c2")
    assert other.ping("10.1.0.1")


def test_del_leaves_a_foreign_interface_of_that_name(
    machine: Machine, container: Netns, conf: dict[str, Any]
) -> None:
    """Somebody else's eth0, for example of another plugin of the chain, is no veth of ours."""
    container.ip("link add eth0 type bridge")

    machine.delete(conf, container)

    assert "eth0" in container.links()


@pytest.mark.parametrize(
    "failing",
    [("masquerade",), ("spoof_check",), ("masquerade", "spoof_check")],
    ids="-".join,
)
def test_del_goes_on_after_a_failure_and_can_be_repeated(
    machine: Machine, container: Netns, conf: dict[str, Any], failing: tuple[str, ...]
) -> None:
    """W-BR-10: the rest is removed, each failure reported, and a second DEL finishes the job."""
    machine.add(conf, container)

    with pytest.MonkeyPatch.context() as patch:
        for each in failing:
            broken(KernelFirewall, f"remove_{each}")(patch)
        out = machine.call("DEL", conf, container)
    for each in failing:
        assert f"remove_{each} broke" in out.error
    assert set(container.links()) == {"lo"}
    assert machine.reservations() == set()
    assert machine.leftovers() != []

    machine.delete(conf, container)
    assert machine.leftovers() == []


# ---- rollback -----------------------------------------------------------------------------------


def broken(owner: type, name: str) -> Callable[[pytest.MonkeyPatch], None]:
    def breaks(patch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise OSError(5, f"{name} broke")

        patch.setattr(owner, name, fail)

    return breaks


STEPS = {
    "port flags": broken(NetlinkKernel, "change_link"),
    "spoof check": broken(KernelFirewall, "add_spoof_check"),
    "configure": broken(NetlinkKernel, "configure"),
    "port": broken(NetlinkKernel, "wait_link"),
    "gateway": broken(NetlinkKernel, "add_address"),
    "masquerade": broken(KernelFirewall, "add_masquerade"),
}


@pytest.mark.parametrize("step", STEPS)
def test_an_add_that_fails_leaves_nothing_and_can_be_repeated(
    machine: Machine, container: Netns, conf: dict[str, Any], step: str
) -> None:
    """W-BR-1: veth, rules, address are rolled back; T: IPAM address released when ADD fails."""
    machine.host.ip("link add br0 type bridge")
    machine.host.ip("link set br0 up")
    with pytest.MonkeyPatch.context() as patch:
        STEPS[step](patch)
        out = machine.call("ADD", conf, container)
    assert "broke" in out.error
    assert machine.leftovers() == []
    assert set(container.links()) == {"lo"}

    machine.add(conf, container)
    assert container.ping("10.1.0.1")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_bridge_of_another_subnet_costs_no_address(
    machine: Machine, container: Netns, conf: dict[str, Any], version: str
) -> None:
    """T: IPAM address released when ADD fails after IPAM."""
    machine.host.ip("link add br0 type bridge")
    machine.host.ip("address add 10.9.0.1/24 dev br0")

    out = machine.call("ADD", {**conf, "cniVersion": version}, container)

    assert "10.9.0.1/24" in out.error
    assert machine.leftovers() == []


def test_a_second_add_is_refused_and_the_first_attachment_stays(
    machine: Machine, container: Netns, conf: dict[str, Any]
) -> None:
    """nerdctl#3355: duplicate ADD; its rollback must not take away what the first one made."""
    result = machine.add(conf, container)

    out = machine.call("ADD", conf, container)

    assert '"eth0" already exists' in out.error
    machine.check(conf, container, result)
    assert container.ping("10.1.0.1")


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"bridge": "lo"}, 7),
        ({"bridge": "far-too-long-a-name"}, 7),
        ({"runtimeConfig": {"mac": "01:00:5e:00:00:01"}}, 7),
        ({"mtu": 10}, 7),
        ({"vlan": 4095}, 7),
        ({"disableContainerInterface": True}, 7),
    ],
)
def test_bad_input_changes_nothing(
    machine: Machine, container: Netns, keys: dict[str, Any], code: int
) -> None:
    """Issue 2, "Bad input": the specification's code, the offender named, nothing changed."""
    out = machine.call("ADD", machine.conf(*SUBNETS, **keys), container)

    assert out.document["code"] == code
    (key,) = {"runtimeConfig": ["mac"], "bridge": [str(keys.get("bridge"))]}.get(
        next(iter(keys)), list(keys)
    )
    assert key.lower() in out.error.lower()
    assert set(machine.host.links()) == {"lo"}
    assert set(container.links()) == {"lo"}
    assert machine.leftovers() == []


# ---- GC and STATUS ------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_gc_keeps_the_valid_and_removes_the_others(
    machine: Machine, container: Netns, conf: dict[str, Any], backend: str
) -> None:
    """Design section 4.5: a container that died without DEL, its namespace gone or not."""
    conf["ipMasqBackend"] = backend
    dead, zombie = machine.container(), machine.container()
    result = machine.add(conf, container)
    machine.add(conf, dead, container_id="c2")
    machine.add(conf, zombie, container_id="c3")
    dead.close()

    machine.gc(conf, ("c1", "eth0"))

    machine.check(conf, container, result)
    left = " ".join(machine.leftovers())
    assert "10.1.0.2" in left
    assert not any(each in left for each in ("10.1.0.3", "10.1.0.4", "fd01::3", "fd01::4"))
    assert set(zombie.links()) == {"lo"}
    machine.gc(conf)
    assert machine.leftovers() == []


def test_after_a_reboot_gc_leaves_nothing(machine: Machine, conf: dict[str, Any]) -> None:
    """Issue 2: a reboot (namespaces and links gone, state kept) followed by GC leaves nothing."""
    for number in range(3):
        machine.add(conf, machine.container(), container_id=f"c{number}")
    assert len(machine.reservations()) == 6

    machine.reboot()
    assert len(machine.reservations()) == 6
    machine.gc(conf)

    assert machine.leftovers() == []


def test_after_a_reboot_the_same_container_can_be_added(
    machine: Machine, conf: dict[str, Any]
) -> None:
    """plugins#1196: the leak after a reboot, with state kept; the old address is not in the way."""
    first = machine.add(conf, machine.container())
    machine.reboot()

    machine.delete(conf, "/run/netns/gone")
    second = machine.add(conf, machine.container())

    assert len(second["ips"]) == len(first["ips"])
    assert len(machine.reservations()) == 2


def test_status_is_ready_before_and_after(machine: Machine, container: Netns) -> None:
    """STATUS: L3 and L2, without and with the bridge."""
    conf = machine.conf(*SUBNETS, version="1.1.0", ipMasq=True, macspoofchk=True)
    assert machine.call("STATUS", conf).code == 0
    machine.add(conf, container)
    assert machine.call("STATUS", conf).code == 0
    assert machine.call("STATUS", machine.conf(version="1.1.0")).code == 0


def test_status_is_honest(machine: Machine) -> None:
    """Design section 4.6: the bridge's name is taken; IPAM's binary is missing."""
    machine.host.ip("link add br0 type veth peer name x0")
    taken = machine.call("STATUS", machine.conf(version="1.1.0"))
    assert (taken.document["code"], '"br0"' in taken.error) == (50, True)

    conf = machine.conf(version="1.1.0", bridge="br1", ipam={"type": "no-such-ipam"})
    missing = machine.call("STATUS", conf)
    assert "no-such-ipam" in missing.error


@pytest.mark.skipif(shutil.which("iptables") is None, reason="needs the Debian package iptables")
def test_status_looks_at_the_backend_the_configuration_asks_for(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Design section 4.6: tools the config needs present."""
    asked: list[str | None] = []
    monkeypatch.setattr(KernelFirewall, "usable", lambda _, backend: (asked.append(backend), "")[1])
    conf = machine.conf(*SUBNETS, version="1.1.0", ipMasq=True, ipMasqBackend="iptables")
    machine.call("STATUS", {**conf, "macspoofchk": True})

    assert asked == ["iptables", "nftables"]


def test_what_belongs_to_whom_can_be_told_from_outside(
    machine: Machine, container: Netns, conf: dict[str, Any]
) -> None:
    """Design section 4.4: every effect outside the container's netns carries an owner tag."""
    result = machine.add(conf, container)

    tag = attachment().owner_tag
    assert machine.host.link(result["interfaces"][1]["name"])["ifalias"] == tag
    assert f'comment "{tag}"' in machine.host.ruleset()
