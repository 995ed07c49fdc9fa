"""bridge ADD on a real kernel: addresses, routes, gateways, results (contracts 3.1)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from machine import Machine, Netns

from cnisdk import Namespace, errors


pytestmark = pytest.mark.kernel

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
CURRENT = VERSIONS[2:]
FAMILIES = {
    "IPv4": ("10.1.0.0/24",),
    "IPv6": ("fd01::/64",),
    "dual stack": ("10.1.0.0/24", "fd01::/64"),
}
GATEWAYS = {"10.1.0.0/24": "10.1.0.1", "fd01::/64": "fd01::1", "fd02::/64": "fd02::1"}


def addresses(document: dict[str, Any]) -> list[str]:
    """The addresses of a result of any version."""
    old = [document[key]["ip"] for key in ("ip4", "ip6") if key in document]
    return old or [ip["address"] for ip in document["ips"]]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_container_has_addresses_a_default_route_and_a_gateway(
    machine: Machine, container: Netns, version: str, family: str
) -> None:
    """T: ADD/DEL L3 default route: IPv4; IPv6; dual stack; T: DEL: both veth ends are gone.

    T: exact v4 and v6 counts and a link-local address; not isolated, no VLAN filtering, other MAC than the port.
    """
    subnets = FAMILIES[family]
    conf = machine.conf(*subnets, version=version, isDefaultGateway=True)
    result = machine.add(conf, container)

    assert container.addresses("eth0") == addresses(result)
    assert "UP" in container.link("eth0")["flags"]
    assert machine.host.addresses("br0") == [
        f"{GATEWAYS[subnet]}/{subnet.partition('/')[2]}" for subnet in subnets
    ]
    for subnet in subnets:
        (default,) = [
            each for each in container.routes(6 if ":" in subnet else 4) if each["dst"] == "default"
        ]
        assert default["gateway"] == GATEWAYS[subnet]
        assert container.ping(GATEWAYS[subnet])
    own = [each for each in container.addresses("eth0", link_local=True) if each[:4] == "fe80"]
    assert len(own) == 1
    links = machine.host.links()
    (port,) = (each for each in links.values() if each.get("master") == "br0")
    assert not port["linkinfo"]["info_slave_data"]["isolated"]
    assert links["br0"]["address"] != port["address"]
    assert links["br0"]["linkinfo"]["info_data"]["vlan_filtering"] == 0

    machine.delete(conf, container)
    assert machine.leftovers() == []
    assert set(container.links()) == {"lo"}


@pytest.mark.parametrize("version", CURRENT)
def test_the_result_shows_bridge_host_veth_and_container(
    machine: Machine, container: Netns, version: str
) -> None:
    """T: asserts in the ADD tests: 3 interfaces, MAC length 17, bridge MAC equals result."""
    conf = machine.conf(*FAMILIES["dual stack"], version=version, isGateway=True)
    result = machine.add(conf, container)

    bridge, host, eth = result["interfaces"]
    links = machine.host.links()
    assert (bridge["name"], bridge["mac"]) == ("br0", links["br0"]["address"])
    assert (host["name"], host["mac"]) == (host["name"], links[host["name"]]["address"])
    assert (eth["name"], eth["mac"]) == ("eth0", container.link("eth0")["address"])
    assert eth["sandbox"] == container.path
    assert "sandbox" not in bridge
    assert [len(each["mac"]) for each in result["interfaces"]] == [17, 17, 17]
    assert bridge["mac"] != host["mac"] != eth["mac"]
    assert [ip["interface"] for ip in result["ips"]] == [2, 2]
    assert links[host["name"]]["master"] == "br0"


@pytest.mark.parametrize("version", VERSIONS)
def test_several_subnets_of_a_family(machine: Machine, container: Netns, version: str) -> None:
    """T: 1xv4 + 2xv6 (0.1.0/0.2.0: error on ADD; on DEL, where Go fails too, ours succeeds)."""
    subnets = ("10.1.0.0/24", "fd01::/64", "fd02::/64")
    conf = machine.conf(*subnets, version=version, isDefaultGateway=True)
    out = machine.call("ADD", conf, container)

    if version in {"0.1.0", "0.2.0"}:
        assert "does not support more than 1 address per family" in out.error
    else:
        assert out.code == 0, out.stdout
        assert container.addresses("eth0") == ["10.1.0.2/24", "fd02::2/64", "fd01::2/64"]
        assert set(machine.host.addresses("br0")) == {"10.1.0.1/24", "fd01::1/64", "fd02::1/64"}
        defaults = [r["gateway"] for r in container.routes(6) if r["dst"] == "default"]
        assert defaults == ["fd01::1"]
    machine.delete(conf, container)
    assert machine.leftovers() == []


@pytest.mark.parametrize("version", VERSIONS)
def test_dns_of_resolv_conf_reaches_the_result(
    machine: Machine, container: Netns, version: str
) -> None:
    """T: IPv4 + resolvConf DNS reaches result."""
    resolv = machine.root / "resolv.conf"
    resolv.write_text("nameserver 192.0.2.4\nsearch example.org\n", encoding="ascii")
    conf = machine.conf("10.1.0.0/24", version=version, ipam={"resolvConf": str(resolv)})

    dns = machine.add(conf, container)["dns"]

    assert dns == {"nameservers": ["192.0.2.4"], "search": ["example.org"]}


@pytest.mark.parametrize(
    ("dns", "expected"),
    [
        ({"nameservers": ["192.0.2.7"]}, {"nameservers": ["192.0.2.7"]}),
        ({"domain": "example.net"}, {"domain": "example.net"}),
        ({"search": []}, {}),
        ({}, {"nameservers": ["192.0.2.4"]}),
        (None, {"nameservers": ["192.0.2.4"]}),
    ],
)
def test_dns_of_the_configuration_wins_when_it_says_anything(
    machine: Machine, container: Netns, dns: Any, expected: Any
) -> None:
    """3.1 step 13; matrix 6.3: plugin dns if any, else IPAM's."""
    resolv = machine.root / "resolv.conf"
    resolv.write_text("nameserver 192.0.2.4\n", encoding="ascii")
    conf = machine.conf("10.1.0.0/24", ipam={"resolvConf": str(resolv)}, dns=dns)

    assert machine.add(conf, container).get("dns", {}) == expected


@pytest.mark.parametrize("version", CURRENT)
def test_without_ipam_there_is_a_link_and_nothing_else(
    machine: Machine, container: Netns, version: str
) -> None:
    """T: L2 ADD/DEL: plain."""
    conf = machine.conf(version=version)
    result = machine.add(conf, container)

    assert [each["name"] for each in result["interfaces"]][::2] == ["br0", "eth0"]
    assert result.get("ips", []) == []
    assert container.addresses("eth0") == []
    assert container.link("eth0")["operstate"] == "UP"
    machine.delete(conf, container)
    assert machine.leftovers() == []


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
@pytest.mark.parametrize("keys", [{}, {"disableContainerInterface": True}, {"portIsolation": True}])
def test_a_result_the_version_cannot_express_leaves_nothing(
    machine: Machine, container: Netns, version: str, keys: dict[str, Any]
) -> None:
    """W-BR-9: L2 on 0.1.0/0.2.0 fails at print time, and everything is undone."""
    out = machine.call("ADD", machine.conf(version=version, **keys), container)

    assert "no valid IP addresses" in out.error
    assert machine.leftovers() == []
    assert set(container.links()) == {"lo"}


def test_containers_reach_each_other(machine: Machine, container: Netns) -> None:
    """The main job: traffic flows between two containers on one bridge."""
    other = machine.container()
    conf = machine.conf(*FAMILIES["dual stack"], isGateway=True)
    machine.add(conf, container)
    theirs = addresses(machine.add(conf, other, container_id="c2"))

    for address in theirs:
        assert container.ping(address.partition("/")[0])


@pytest.mark.parametrize("key", ["isGateway", "isDefaultGateway"])
@pytest.mark.parametrize("given", ["", "10.1.0.254"])
def test_the_gateway_is_the_first_address_unless_ipam_names_one(
    machine: Machine, container: Netns, key: str, given: str
) -> None:
    """3.1 step 7: missing gateway with isGateway -> network address + 1."""
    ipam = {"type": "static", "addresses": [{"address": "10.1.0.9/24", "gateway": given or None}]}
    conf = {**machine.conf(ipam=ipam), key: True}
    result = machine.add(conf, container)

    gateway = given or "10.1.0.1"
    assert result["ips"][0]["gateway"] == gateway
    assert machine.host.addresses("br0") == [f"{gateway}/24"]
    defaults = [r["gateway"] for r in container.routes() if r["dst"] == "default"]
    assert defaults == ([gateway] if key == "isDefaultGateway" else [])
    assert machine.host.sysctl("ipv4/ip_forward") == "1"


def test_without_a_gateway_the_bridge_has_no_address(machine: Machine, container: Netns) -> None:
    """isGateway false: L2 on the host's side, forwarding untouched."""
    machine.add(machine.conf("10.1.0.0/24"), container)

    assert machine.host.addresses("br0") == []
    assert machine.host.sysctl("ipv4/ip_forward") == "0"


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ([], [("default", "10.1.0.1")]),
        ([{"dst": "0.0.0.0/0"}], [("default", "10.1.0.1")]),
        ([{"dst": "0.0.0.0/0", "gw": "10.1.0.7"}], [("default", "10.1.0.7")]),
        ([{"dst": "0.0.0.0/0", "table": 100}], [("default", "10.1.0.1")]),
        (
            [{"dst": "172.16.0.0/12"}, {"dst": "192.0.2.0/24", "gw": "10.1.0.8"}],
            [("172.16.0.0/12", "10.1.0.1"), ("192.0.2.0/24", "10.1.0.8"), ("default", "10.1.0.1")],
        ),
    ],
)
def test_the_default_route_is_added_unless_ipam_has_one(
    machine: Machine, container: Netns, routes: Any, expected: Any
) -> None:
    """W-BR-6: a gw-less IPAM default route together with isDefaultGateway works."""
    ipam = {"type": "host-local", "routes": routes}
    conf = machine.conf("10.1.0.0/24", isDefaultGateway=True, ipam=ipam, version="1.1.0")
    machine.add(conf, container)

    found = [(r["dst"], r.get("gateway")) for r in container.routes() if "gateway" in r]
    assert sorted(found) == expected


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("first", "second", "conflict"),
    [
        ("10.1.0.0/24", "10.2.0.0/24", True),
        ("fd01::/64", "fd01::/48", True),
        ("fd01::/64", "fd02::/64", False),
    ],
)
def test_a_bridge_of_another_subnet(  # noqa: PLR0917  # a table with three axes
    machine: Machine,
    container: Netns,
    version: str,
    first: str,
    second: str,
    conflict: bool,
    force: bool,
) -> None:
    """T: bridge address policy: v4 second address; v6 overlapping; v6 disjoint; with and without force."""
    keys: dict[str, Any] = {"isGateway": True, "version": version}
    machine.add(machine.conf(first, **keys), container)
    before = machine.host.addresses("br0")
    other = machine.container()
    keys |= {"forceAddress": force, "name": "othernet"}
    out = machine.call("ADD", machine.conf(second, **keys), other, container_id="c2")

    if conflict and not force:
        assert re.search(f'"br0" already has an IP address different from .*{before[0]}', out.error)
        assert machine.host.addresses("br0") == before
        assert set(other.links()) == {"lo"}
        return
    assert out.code == 0, out.stdout
    gateway, _, length = second.partition("/")
    gateway = f"{gateway.removesuffix('0')}1/{length}"
    assert set(machine.host.addresses("br0")) == {gateway, *(() if conflict else before)}


def test_an_address_that_was_replaced_comes_back_when_add_fails(
    machine: Machine, container: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The containers of the other network still go by it."""

    def refuse(*_: object, **__: object) -> None:
        raise errors.CniError("no masquerading today")

    monkeypatch.setattr(Namespace, "add_masquerade", refuse)
    machine.host.ip("link add br0 up type bridge")
    machine.host.ip("link add port up master br0 type veth peer name wire")
    machine.host.ip("link set wire up")
    for each in ("10.1.0.1/24 label br0:old", "10.1.0.9/24 brd 10.1.0.255", "fd01::1/48 nodad"):
        machine.host.ip(f"address add {each} dev br0")
    machine.host.ip("route add 172.16.0.0/12 via 10.1.0.7 src 10.1.0.9")
    shown = ("-o address show br0 scope global", "route", "-6 route show root fd00::/8")
    before = [machine.host.ip(each) for each in shown]
    conf = machine.conf(
        *("10.2.0.0/24", "fd01::/64"), isGateway=True, forceAddress=True, ipMasq=True
    )

    assert "no masquerading today" in machine.call("ADD", conf, container).error
    assert [machine.host.ip(each) for each in shown] == before


def test_ipv6_detection_is_off_unless_asked_for(machine: Machine, container: Netns) -> None:
    """3.1 step 8: enabledad -> accept_dad and enhanced_dad 1, else accept_dad 0; arp_notify 1."""
    machine.add(machine.conf("fd01::/64"), container)
    machine.add(machine.conf("fd02::/64", enabledad=True), container, ifname="eth1")

    def settings(ifname: str) -> list[str]:
        names = ("ipv6/conf/{}/accept_dad", "ipv4/conf/{}/arp_notify")
        return [container.sysctl(each.format(ifname)) for each in names]

    assert settings("eth0") == ["0", "1"]
    assert settings("eth1") == ["1", "1"]
    assert "tentative" not in container.sh("ip -6 address show")


def test_an_ipam_answer_without_addresses_is_refused(machine: Machine, container: Netns) -> None:
    """3.1 step 7: `IPAM plugin returned missing IP config`; nothing stays."""
    script = machine.root / "empty-ipam"
    script.write_text('#!/bin/sh\necho \'{"cniVersion": "1.0.0"}\'\n', encoding="ascii")
    script.chmod(0o755)
    (machine.root / "bin").mkdir()
    for each in machine.plugins.iterdir():
        (machine.root / "bin" / each.name).symlink_to(each)
    (machine.root / "bin" / "empty-ipam").symlink_to(script)

    out = machine.call(
        "ADD", machine.conf(ipam={"type": "empty-ipam"}), container, plugins=machine.root / "bin"
    )

    assert "IPAM plugin returned missing IP config" in out.error
    assert machine.leftovers() == []


def test_through_the_installed_launcher(machine: Machine, container: Netns) -> None:
    """The same as a process of its own, host-local in process with it."""
    conf = machine.conf("10.1.0.0/24", isDefaultGateway=True, ipMasq=True)
    env = machine.environment("ADD", container)
    added = machine.execute(machine.plugins / "bridge", env, conf)
    assert added.code == 0, added.stdout
    assert container.addresses("eth0") == ["10.1.0.2/24"]

    for verb in ("CHECK", "DEL"):
        env = machine.environment(verb, container)
        document = {**conf, "prevResult": added.document}
        done = machine.execute(machine.plugins / "bridge", env, document)
        assert (done.code, done.stdout, done.stderr) == (0, "", "")
    assert machine.leftovers() == []
