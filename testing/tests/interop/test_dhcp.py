"""The dhcp plugin and its daemon with real servers: leases, options, refusals."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from cnisdk import versions


if TYPE_CHECKING:
    from tests.interop.dhcp_site import Offer, Site, address_of, wait_until
    from tests.kernel.machine import together
else:
    from dhcp_site import Offer, Site, address_of, wait_until
    from machine import together

pytestmark = [pytest.mark.interop, pytest.mark.kernel]


@pytest.fixture(params=["dnsmasq", "kea"])
def site(request: pytest.FixtureRequest) -> Site:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("version", versions.ALL)
def test_lease_of_a_lifetime(site: Site, version: str) -> None:
    """T: ADD, CHECK, DEL: the server has the lease as long as the attachment; three DELs at once, one more."""
    site.serve()
    site.daemon()
    container = site.machine.container()
    cfg = site.conf(version)

    result = site.machine.add(cfg, container)

    (address,) = site.leased()
    assert container.addresses("eth0") == [f"{address}/24"]
    assert {"dst": "default", "gateway": "10.66.0.1"}.items() <= container.routes()[0].items()
    assert result["dns"] == {"nameservers": ["10.66.0.53"]}
    assert [each["address"] for each in site.records()] == [address]
    assert container.ping("10.66.0.1")
    if version not in {"0.1.0", "0.2.0", "0.3.0", "0.3.1"}:
        site.machine.check(cfg, container, result)
    release = partial(site.machine.call, "DEL", {**cfg, "type": "dhcp"}, container)
    assert [each.code for each in together([release] * 3)] == [0] * 3
    site.machine.delete(cfg, container, prev=result)
    wait_until(lambda: site.leased() == set(), what="the server forgetting the lease")
    assert site.records() == []


def test_macvlan(dnsmasq: Site) -> None:
    """Its interface is up before IPAM."""
    dnsmasq.serve()
    dnsmasq.daemon()
    machine, container = dnsmasq.machine, dnsmasq.machine.container()
    cfg = {**dnsmasq.conf(), "type": "macvlan", "master": "br0"}

    result = machine.add(cfg, container)

    machine.check(cfg, container, result)
    machine.delete(cfg, container, prev=result)
    wait_until(lambda: dnsmasq.leased() == set())
    assert set(container.links()) == {"lo"}


def test_options_reach_the_result(dnsmasq: Site) -> None:
    """W-DH-7: DNS servers, domain, search list and MTU, routes by option 33 and a default."""
    options = {
        15: "example.org",
        26: "1400",
        33: "172.30.0.0,10.66.0.7",
        119: "a.example.org,b.example.org",
        6: "10.66.0.53,10.66.0.54",
    }
    dnsmasq.serve(Offer(options=options))
    dnsmasq.daemon()
    container = dnsmasq.machine.container()

    result = dnsmasq.machine.add(dnsmasq.conf(priority=50), container)

    assert result["dns"] == {
        "nameservers": ["10.66.0.53", "10.66.0.54"],
        "domain": "example.org",
        "search": ["a.example.org", "b.example.org"],
    }
    common = {"mtu": 1400, "priority": 50}
    assert result["routes"] == [
        {"dst": "172.30.0.0/16", "gw": "10.66.0.7", **common},
        {"dst": "0.0.0.0/0", "gw": "10.66.0.1", **common},
    ]
    by_target = {each["dst"]: each for each in container.routes()}
    assert by_target["default"]["metrics"] == [{"mtu": 1400}]
    assert by_target["172.30.0.0/16"]["metric"] == 50


def test_classless_routes_replace_the_others(site: Site) -> None:
    """RFC 3442: with option 121, routers and option 33 are ignored; a route may have no next hop.

    The scope says so, and 0.0.0.0 to interface plugins that know no scopes.
    """
    routes = "172.31.0.0/16,10.66.0.9,10.77.0.0/24,0.0.0.0"
    site.serve(Offer(options={121: routes}, raw={121: "10AC1F0A420009180A4D0000000000"}))
    site.daemon()
    container = site.machine.container()

    result = site.machine.add(site.conf(), container)

    assert result["routes"] == [
        {"dst": "172.31.0.0/16", "gw": "10.66.0.9"},
        {"dst": "10.77.0.0/24", "gw": "0.0.0.0", "scope": 253},
    ]
    by_target = {each["dst"]: each for each in container.routes()}
    assert "default" not in by_target
    assert by_target["10.77.0.0/24"]["scope"] == "link"
    assert "gateway" not in by_target["10.77.0.0/24"]
    assert result["ips"][0]["gateway"] == "10.66.0.1"


def test_what_the_server_is_told(dnsmasq: Site) -> None:
    """Client id, host name by value and by argument, options asked for."""
    dnsmasq.serve()
    dnsmasq.daemon()
    machine = dnsmasq.machine
    provide = [
        {"option": "host-name", "value": "default", "fromArg": "K8S_POD_NAME"},
        {"option": "vendor-class-identifier", "value": "our-vendor"},
    ]
    cfg = dnsmasq.conf(provide=provide, request=[{"option": "42"}])

    machine.add(cfg, machine.container(), args="IgnoreUnknown=1;K8S_POD_NAME=web-0")
    machine.add(cfg, machine.container(), container_id="c2")

    log = dnsmasq.server_log()
    assert "client provides name: web-0" in log
    assert "client provides name: default" in log
    assert "vendor class: our-vendor" in log
    assert "42:ntp-server" in log
    leases = (dnsmasq.root / "server.leases").read_text()
    assert b"c1/mynet/eth0".hex(":") in leases
    assert leases.count(" web-0 ") == 1


def test_only_what_is_listed_is_asked_for(dnsmasq: Site) -> None:
    """skipDefault; Go's words where there is no mask in the answer, and the address is given back."""
    dnsmasq.serve(Offer(extra=("--dhcp-option=1",)))  # dnsmasq sends the mask unasked otherwise
    dnsmasq.daemon("-timeout", "1s")
    machine = dnsmasq.machine
    request = [{"option": "routers"}, {"skipDefault": True}]

    out = machine.call("ADD", dnsmasq.conf(request=request, provide=[]), machine.container())

    asked = [line for line in dnsmasq.server_log().splitlines() if "requested options" in line]
    assert {line.rpartition("options: ")[2] for line in asked} == {"3:router"}
    assert "Subnet Mask not found in DHCPACK" in out.error
    wait_until(lambda: dnsmasq.leased() == set())


@pytest.mark.parametrize("flags", [(), ("-broadcast",)])
def test_broadcast_is_asked_for(dnsmasq: Site, flags: tuple[str, ...]) -> None:
    """W-DH-5: the flag has an effect."""
    dnsmasq.serve()
    dnsmasq.daemon(*flags)

    dnsmasq.machine.add(dnsmasq.conf(), dnsmasq.machine.container())

    assert ("broadcast response" in dnsmasq.server_log()) == bool(flags)


def test_another_client_id(dnsmasq: Site) -> None:
    """One that is provided is what RELEASE has, too."""
    dnsmasq.serve()
    dnsmasq.daemon()
    machine, container = dnsmasq.machine, dnsmasq.machine.container()
    cfg = dnsmasq.conf(provide=[{"option": "dhcp-client-identifier", "value": "custom"}])

    result = machine.add(cfg, container)
    assert b"custom".hex(":") in (dnsmasq.root / "server.leases").read_text()
    machine.delete(cfg, container, prev=result)

    wait_until(lambda: dnsmasq.leased() == set())


@pytest.mark.parametrize(
    ("ipam", "message"),
    [
        ({"request": [{"option": "garbage"}]}, 'Can not parse option "garbage"'),
        ({"provide": [{"option": "256", "value": "x"}]}, 'Can not parse option "256"'),
        ({"provide": [{"option": "12", "value": "x" * 256}]}, "256 bytes"),
        ({"priority": -1}, "priority"),
    ],
)
def test_refused_configurations(dnsmasq: Site, ipam: dict[str, Any], message: str) -> None:
    dnsmasq.daemon()

    out = dnsmasq.machine.call("ADD", dnsmasq.conf(**ipam), dnsmasq.machine.container())

    assert out.document["code"] == 7
    assert message in out.error


def test_two_interfaces_and_an_exhausted_pool(site: Site) -> None:
    """T: two interfaces; exhausted server, in all versions at once; then DELs are fine, and make room for nobody."""
    site.serve(Offer(first=5, last=6))
    site.daemon("-timeout", "1s", "-resendmax", "1s", "-resendtimeout", "3s")
    machine, container = site.machine, site.machine.container()
    cfg = site.conf("0.3.1")
    first = machine.add(cfg, container)
    second = machine.add(cfg, container, ifname="eth1")
    assert {address_of(first), address_of(second)} == {"10.66.0.5", "10.66.0.6"}

    more = {f"eth{number}": site.conf(each) for number, each in enumerate(versions.ALL, 2)}
    calls = [partial(machine.call, "ADD", each, container, ifname=n) for n, each in more.items()]
    for out in together(calls):
        # T: the whole error is this; what helps is on stderr and in the daemon's log.
        assert out.document["code"] == 11
        assert out.document["msg"] == "error calling DHCP.Allocate: no more tries"
        assert "details" not in out.document
    # Whoever asks whether it is there sends an empty line, which is no request.
    refused = [each for each in site.daemon_log("request refused") if "method" in each]
    assert len(refused) == len(more)
    assert all("has free addresses" in each["reason"] for each in refused)
    for name, each in more.items():
        machine.delete(each, container, ifname=name)
    machine.delete(cfg, container)
    wait_until(lambda: site.leased() == {address_of(second)})
    third = machine.add(cfg, container, ifname="eth2")
    assert address_of(third) == address_of(first)


def test_release_is_unicast_from_the_leased_address(dnsmasq: Site) -> None:
    """RFC 2131 section 4.4.4: to the server's own addresses, with ciaddr and the client identifier."""
    dnsmasq.serve()
    dnsmasq.daemon()
    machine, container = dnsmasq.machine, dnsmasq.machine.container()
    result = machine.add(dnsmasq.conf(), container)
    with dnsmasq.server.entered():
        sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    sniffer.bind(("s0", 0x0800))
    sniffer.settimeout(10)

    with sniffer:
        machine.delete(dnsmasq.conf(), container, prev=result)
        frame = b""
        while frame[278:285] != b"c\x82Sc5\x01\x07":  # RELEASE
            frame = sniffer.recv(4096)

    leased = socket.inet_aton(address_of(result))
    assert frame[:6].hex(":") == dnsmasq.server.link("s0")["address"]
    assert frame[26:34] == leased + socket.inet_aton("10.66.0.1")  # from and to
    assert frame[54:58] == leased  # ciaddr
    assert b"\x3d\x0e\0c1/mynet/eth0" in frame
    assert b"\x36\x04" + socket.inet_aton("10.66.0.1") in frame


@pytest.mark.parametrize("kind", ["bridge", "macvlan"])
def test_gc_gives_stale_leases_back(dnsmasq: Site, kind: str) -> None:
    """RELEASE goes through the interface, so that it has to come before the interface goes."""
    dnsmasq.serve()
    dnsmasq.daemon()
    machine, container = dnsmasq.machine, dnsmasq.machine.container()
    cfg = dnsmasq.conf()
    if kind == "macvlan":
        machine.host.ip("link set br0 up")
        cfg |= {"type": "macvlan", "master": "br0"}
        del cfg["bridge"]
    result = machine.add(cfg, container)
    assert dnsmasq.leased() == {address_of(result)}

    machine.gc(cfg)

    assert dnsmasq.server_log().count("DHCPRELEASE") == 1
    assert dnsmasq.leased() == set()


def test_check_misses_the_record(dnsmasq: Site) -> None:
    """Without it, a restart would lose the lease."""
    dnsmasq.serve()
    dnsmasq.daemon()
    machine, container = dnsmasq.machine, dnsmasq.machine.container()
    result = machine.add(dnsmasq.conf(), container)
    (record,) = (dnsmasq.root / "dhcp.leases").glob("*.json")
    record.unlink()

    out = machine.call("CHECK", dnsmasq.conf(), container, prev=result)

    assert str(record) in out.error


def test_host_prefix(dnsmasq: Site) -> None:
    """Socket and namespaces are looked for below it."""
    dnsmasq.serve()
    dnsmasq.daemon("-hostprefix", "/proc/self/root")
    container = dnsmasq.machine.container()

    result = dnsmasq.machine.add(dnsmasq.conf(), container)

    dnsmasq.machine.check(dnsmasq.conf(), container, result)
    (record,) = dnsmasq.records()
    assert record["netns"] == f"/proc/self/root{container.path}"


def test_check_says_what_is_wrong(dnsmasq: Site) -> None:
    """W-DH-9: an address that is not the lease's, another interface, a lease that nobody knows."""
    dnsmasq.serve()
    dnsmasq.daemon()
    machine, container = dnsmasq.machine, dnsmasq.machine.container()
    cfg = {**dnsmasq.conf(), "type": "dhcp"}
    result = machine.add(dnsmasq.conf(), container)
    address = address_of(result)

    other = {**result, "ips": [{**result["ips"][0], "address": "10.66.0.99/24"}]}
    wrong = machine.call("CHECK", cfg, container, prev=other)
    assert f"is for {address}, which prevResult has not" in wrong.error

    machine.delete(cfg, container)
    unknown = machine.call("CHECK", cfg, container, prev=other)
    assert "keeps no lease" in unknown.error


def test_gc_gives_back_what_is_not_valid(site: Site) -> None:
    site.serve()
    site.daemon()
    machine = site.machine
    kept = machine.add(site.conf(), machine.container())
    machine.add(site.conf(), machine.container(), container_id="c2")
    other = {**site.conf(), "name": "other"}
    of_other = machine.add(other, machine.container(), container_id="c3")

    machine.gc({**site.conf(), "type": "dhcp"}, ("c1", "eth0"))

    wait_until(lambda: site.leased() == {address_of(kept), address_of(of_other)})
