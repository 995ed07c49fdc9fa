"""bridge ADD on a real kernel: ports, MACs, MTUs, packet filter (contracts 3.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from machine import Machine, Netns


pytestmark = pytest.mark.kernel

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
CURRENT, WITH_CHECK = VERSIONS[2:], VERSIONS[4:]
SUBNET = "10.1.0.0/24"


def port(machine: Machine) -> dict[str, Any]:
    """The bridge's only port, as the kernel shows it."""
    (found,) = (each for each in machine.host.links().values() if each.get("master") == "br0")
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bridge_is_made_and_not_promiscuous(
    machine: Machine, container: Netns, version: str
) -> None:
    """T: creates bridge, not promiscuous."""
    machine.add(machine.conf(SUBNET, version=version), container)

    link = machine.host.link("br0")
    assert link["linkinfo"]["info_kind"] == "bridge"
    assert link["promiscuity"] == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_an_existing_bridge_is_used(machine: Machine, container: Netns, version: str) -> None:
    """T: existing bridge reused with same ifindex."""
    machine.host.ip("link add br0 type bridge")
    index = machine.host.link("br0")["ifindex"]

    result = machine.add(machine.conf(SUBNET, version=version), container)

    assert machine.host.link("br0")["ifindex"] == index
    if version in CURRENT:
        assert machine.host.link("br0")["address"] == result["interfaces"][0]["mac"]


@pytest.mark.parametrize("version", VERSIONS)
def test_promiscuous_mode(machine: Machine, container: Netns, version: str) -> None:
    """T: promiscMode sets promisc counter 1."""
    conf = machine.conf(SUBNET, version=version, promiscMode=True)
    result = machine.add(conf, container)

    assert machine.host.link("br0")["promiscuity"] == 1
    if version in WITH_CHECK:
        machine.check(conf, container, result)


@pytest.mark.parametrize("key", ["hairpinMode", "portIsolation"])
@pytest.mark.parametrize("on", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
def test_flags_of_the_port(
    machine: Machine, container: Netns, version: str, key: str, on: bool
) -> None:
    """T: portIsolation off / on; 3.1 step 4: hairpin."""
    conf = {**machine.conf(SUBNET, version=version), key: on}
    result = machine.add(conf, container)

    flag = {"hairpinMode": "hairpin", "portIsolation": "isolated"}[key]
    assert port(machine)["linkinfo"]["info_slave_data"][flag] is on
    if version in WITH_CHECK:
        machine.check(conf, container, result)


def test_isolated_ports_do_not_reach_each_other(machine: Machine, container: Netns) -> None:
    """portIsolation: no traffic between containers, but with the gateway."""
    other = machine.container()
    conf = machine.conf(SUBNET, isGateway=True, portIsolation=True)
    machine.add(conf, container)
    theirs = machine.add(conf, other, container_id="c2")["ips"][0]["address"]

    assert container.ping("10.1.0.1")
    assert not container.ping(theirs.partition("/")[0], seconds=1)


MACS = {"args": "02:00:00:00:00:a1", "cni": "02:00:00:00:00:a2", "run": "02:00:00:00:00:a3"}


@pytest.mark.parametrize(
    ("sources", "expected"),
    [(("args",), "args"), (("args", "cni"), "cni"), (("args", "cni", "run"), "run")],
)
@pytest.mark.parametrize("version", VERSIONS)
def test_where_the_mac_comes_from(
    machine: Machine, container: Netns, version: str, sources: tuple[str, ...], expected: str
) -> None:
    """T: MAC from CNI_ARGS; args.cni overrides CNI_ARGS; runtimeConfig overrides both."""
    keys: dict[str, Any] = {"version": version}
    if "cni" in sources:
        keys["args"] = {"cni": {"mac": MACS["cni"]}}
    if "run" in sources:
        keys["runtimeConfig"] = {"mac": MACS["run"]}
    args = f"IgnoreUnknown=1;MAC={MACS['args']}"

    result = machine.add(machine.conf(SUBNET, **keys), container, args=args)

    assert container.link("eth0")["address"] == MACS[expected]
    if version in CURRENT:
        assert result["interfaces"][2]["mac"] == MACS[expected]


@pytest.mark.parametrize("existing", [0, 1400, 1500])
def test_the_mtu_of_bridge_and_veth(machine: Machine, container: Netns, existing: int) -> None:
    """3.1: both veth ends and the bridge; W-BR-5: an existing bridge too, where it would lose frames."""
    if existing:
        machine.host.ip("link add br0 type bridge")
        machine.host.ip(f"link set br0 mtu {existing} up")

    machine.add(machine.conf(SUBNET, mtu=1400), container)

    assert port(machine)["mtu"] == container.link("eth0")["mtu"] == 1400
    assert machine.host.link("br0")["mtu"] == 1400


@pytest.mark.parametrize("keys", [{"vlan": 100}, {"vlanTrunk": [{"id": 7}]}, {"vlanTrunk": []}])
def test_a_kernel_without_vlans_is_told_and_nothing_is_made(
    machine: Machine, container: Netns, keys: dict[str, Any]
) -> None:
    """W-BR-5: vlan_filtering is not silently left off; what has VLANs is tested in the lab."""
    command = "ip link add br0 type bridge vlan_filtering 1"
    if machine.host.try_run(*command.split()).returncode == 0:
        return
    conf = {**machine.conf(SUBNET, isGateway=True), **keys}

    assert "cannot tell VLANs apart" in machine.call("ADD", conf, container).error
    assert set(machine.host.links()) == {"lo"}
    machine.delete(conf, container)

    machine.host.ip("link add br0 type bridge")
    assert "cannot tell VLANs apart" in machine.call("ADD", conf, container).error
    assert set(machine.host.links()) == {"lo", "br0"}
    out = machine.call("STATUS", {**conf, "cniVersion": "1.1.0"})
    assert out.document["code"] == 50


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bridges_mac_does_not_change(machine: Machine, container: Netns, version: str) -> None:
    """T: bridge MAC stable across ADD/DEL, v4 and v6."""
    conf = machine.conf(SUBNET, "fd01::/64", version=version, isGateway=True)
    machine.add(conf, container)
    mac = machine.host.link("br0")["address"]
    other = machine.container()
    second = machine.add(conf, other, container_id="c2")

    if version in CURRENT:
        assert second["interfaces"][0]["mac"] == mac
    assert machine.host.link("br0")["address"] == mac
    machine.delete(conf, container)
    machine.delete(conf, other, container_id="c2")
    assert machine.host.link("br0")["address"] == mac


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("subnet", ["10.1.0.0/24", "fd01::/64"])
def test_a_bridge_without_a_mac_of_its_own_keeps_the_one_it_has(
    machine: Machine, container: Netns, version: str, subnet: str
) -> None:
    """T: creates a bridge with a stable MAC; the kernel gives such a bridge the lowest MAC of its ports."""
    machine.host.ip("link add br0 type bridge")
    mac = machine.host.link("br0")["address"]
    conf = machine.conf(subnet, version=version, isGateway=True)
    first, other = machine.add(conf, container), machine.container()
    machine.add(conf, other, container_id="c2")
    if version in CURRENT:
        assert first["interfaces"][0]["mac"] == mac
    if version in WITH_CHECK:
        machine.check(conf, container, first)
    machine.delete(conf, other, container_id="c2")
    machine.delete(conf, container)

    assert machine.host.link("br0")["address"] == mac


@pytest.mark.parametrize("backend", [None, "iptables", "nftables"])
@pytest.mark.parametrize("version", CURRENT)
def test_masquerading(
    machine: Machine, container: Netns, version: str, backend: str | None
) -> None:
    """T: ipMasq with backend unset / iptables (POSTROUTING mentions the IP) / nftables (one rule)."""
    keys = {"ipMasqBackend": backend} if backend else {}
    conf = machine.conf(SUBNET, isGateway=True, ipMasq=True, version=version, **keys)
    machine.add(conf, container)

    postrouting = machine.host.run("iptables-save", "-t", "nat").splitlines()
    jumps = [each for each in postrouting if each.startswith("-A POSTROUTING -s 10.1.0.2/32")]
    ours = [each for each in machine.host.ruleset().splitlines() if " daddr != 10.1.0.0/24" in each]
    assert (len(jumps), len(ours)) == ((1, 0) if backend == "iptables" else (0, 1))
    machine.delete(conf, container)
    assert machine.leftovers() == []


def test_masquerading_hides_the_container(machine: Machine, container: Netns) -> None:
    """ipMasq: what leaves the subnet has the host's address; what stays in it does not."""
    outside = machine.container()
    machine.host.namespace(path="").add_veth(peer="out0", into=outside.namespace())
    (uplink,) = set(machine.host.links()) - {"lo"}
    machine.host.ip(f"address add 192.0.2.1/24 dev {uplink}")
    outside.ip("address add 192.0.2.2/24 dev out0")
    outside.ip("link set out0 up")
    conf = machine.conf(SUBNET, isDefaultGateway=True, ipMasq=True)
    machine.add(conf, container)

    # Outside there is no route back to the container's subnet.
    assert container.ping("192.0.2.2")


def spoof_rules(machine: Machine) -> list[str]:
    return [
        line.strip()
        for line in machine.host.run("nft", "list", "ruleset", "bridge").splitlines()
        if "macspoofchk-" in line or "cni-br-iface-c1-eth0-mac " in line
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_spoof_check_comes_and_goes(machine: Machine, container: Netns, version: str) -> None:
    """T: macspoofchk rules exist after ADD (1 + 1 + 2 with right comment) and vanish after DEL."""
    conf = machine.conf(
        *(() if version in CURRENT else [SUBNET]), version=version, macspoofchk=True
    )
    machine.add(conf, container)

    text = json.dumps(spoof_rules(machine))
    commented = [each for each in spoof_rules(machine) if 'comment "macspoofchk-c1-eth0"' in each]
    assert len(commented) == 4
    assert port(machine)["ifname"] in text
    assert f"ether saddr {container.link('eth0')['address']} return" in text
    machine.delete(conf, container)
    assert spoof_rules(machine) == []


def test_spoofed_frames_are_dropped(machine: Machine, container: Netns) -> None:
    """macspoofchk: another source MAC than the one of ADD gets nowhere."""
    machine.add(machine.conf(SUBNET, isGateway=True, macspoofchk=True), container)
    assert container.ping("10.1.0.1")

    container.ip("link set eth0 address 02:00:00:00:00:66")

    assert not container.ping("10.1.0.1", seconds=1)


@pytest.mark.parametrize("version", CURRENT)
def test_a_disabled_interface_stays_down(machine: Machine, container: Netns, version: str) -> None:
    """T: L2 + disableContainerInterface leaves container link down with no IPv6 addresses; DEL."""
    conf = machine.conf(version=version, disableContainerInterface=True)
    result = machine.add(conf, container)

    assert "UP" not in container.link("eth0")["flags"]
    assert container.addresses("eth0", link_local=True) == []
    if version in WITH_CHECK:
        machine.check(conf, container, result)
    machine.delete(conf, container)
    assert set(container.links()) == {"lo"}
    assert machine.leftovers() == []


def test_two_networks_of_one_container(machine: Machine, container: Netns) -> None:
    """W-MASQ-1 (W-BR-10): the second interface's DEL does not depend on the first's."""
    first = machine.conf(SUBNET, isGateway=True, ipMasq=True, ipMasqBackend="iptables")
    machine.add(first, container)
    machine.add(first, container, ifname="eth1")

    machine.delete(first, container)
    assert any("10.1.0.3" in line for line in machine.leftovers())
    machine.delete(first, container, ifname="eth1")
    assert machine.leftovers() == []


def test_the_gateway_is_the_container_of_nobody(machine: Machine, container: Netns) -> None:
    """CVE-2020-10749: no router advertisements on bridge and port."""
    result = machine.add(machine.conf(SUBNET), container)

    names = ("br0", result["interfaces"][1]["name"])
    assert [machine.host.sysctl(f"ipv6/conf/{name}/accept_ra") for name in names] == ["0", "0"]
