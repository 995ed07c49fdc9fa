"""Bridges, gateway addresses, forwarding, sysctls: what containers share (contracts 2.7 and 3.1)."""

from __future__ import annotations

import threading
from ipaddress import ip_interface

import pytest
from machine import Machine, Netns

from cnisdk import errors
from cnisdk._deadline import Deadline
from cnisdk._net import Namespace


pytestmark = pytest.mark.kernel


@pytest.fixture
def host(machine: Machine) -> Namespace:
    return machine.host.namespace(path="")


def test_a_new_bridge_is_up_with_a_mac_of_its_own(machine: Machine, host: Namespace) -> None:
    """3.1 step 2: created, accept_ra 0, up."""
    shown = host.ensure_bridge("br0", mtu=1400)

    link = machine.host.link("br0")
    assert (shown.name, shown.mac, shown.mtu) == ("br0", link["address"], link["mtu"])
    assert link["mtu"] == 1400
    assert "UP" in link["flags"]
    assert machine.host.sysctl("ipv6/conf/br0/accept_ra") == "0"


def test_a_bridge_keeps_its_mac_whatever_its_ports_have(
    machine: Machine, container: Netns, host: Namespace
) -> None:
    """cni#285: the MAC flaps with the lowest port unless it was set."""
    mac = host.ensure_bridge("br0").mac
    host.add_veth(peer="eth0", into=container.namespace(), master="br0")

    assert machine.host.link("br0")["address"] == mac
    container.namespace().remove_link("eth0")
    assert machine.host.link("br0")["address"] == mac


def test_router_advertisements_are_off_on_somebody_elses_bridge_too(
    machine: Machine, host: Namespace
) -> None:
    """CVE-2020-10749: a container must not become the host's router."""
    machine.host.ip("link add br0 type bridge")
    machine.host.ip("link set br0 up")
    machine.host.set_sysctl("ipv6/conf/br0/accept_ra", "1")

    host.ensure_bridge("br0")

    assert machine.host.sysctl("ipv6/conf/br0/accept_ra") == "0"


def test_an_existing_bridge_is_taken_as_it_is(machine: Machine, host: Namespace) -> None:
    """T: existing bridge reused with same ifindex."""
    machine.host.ip("link add br0 mtu 1450 type bridge")
    before = machine.host.link("br0")

    host.ensure_bridge("br0", mtu=1450)

    after = machine.host.link("br0")
    assert (after["ifindex"], after["mtu"]) == (before["ifindex"], 1450)
    assert "UP" in after["flags"]


@pytest.mark.parametrize("set_by_hand", [False, True])
def test_a_bridge_never_has_a_larger_mtu_than_a_port(
    machine: Machine, container: Netns, host: Namespace, set_by_hand: bool
) -> None:
    """W-BR-5: frames larger than the port's MTU would be lost without a word."""
    machine.host.ip("link add br0 type bridge")
    if set_by_hand:
        machine.host.ip("link set br0 mtu 1500")
    host.ensure_bridge("br0", mtu=1400)
    host.add_veth(peer="eth0", into=container.namespace(), mtu=1400, master="br0")

    assert machine.host.link("br0")["mtu"] == 1400


def test_a_larger_mtu_does_not_break_the_other_ports(
    machine: Machine, container: Netns, host: Namespace
) -> None:
    """W-BR-5: two networks with different MTUs on one bridge."""
    host.ensure_bridge("br0", mtu=1400)
    host.add_veth(peer="eth0", into=container.namespace(), mtu=1400, master="br0")
    host.ensure_bridge("br0", mtu=1500)
    host.add_veth(peer="eth1", into=container.namespace(), mtu=1500, master="br0")

    assert machine.host.link("br0")["mtu"] == 1400


def test_something_else_of_that_name_is_refused(machine: Machine, host: Namespace) -> None:
    """3.1: existing non-bridge of that name -> error that names it."""
    machine.host.ip("link add br0 type veth peer name x0")

    with pytest.raises(
        errors.InvalidConfig, match=r'"br0" already exists but is not a bridge.*veth'
    ):
        host.ensure_bridge("br0")
    assert "UP" not in machine.host.link("br0")["flags"]


def test_a_plain_device_is_refused_too(host: Namespace) -> None:
    """3.1: existing non-bridge of that name -> error."""
    with pytest.raises(errors.InvalidConfig, match="plain device"):
        host.ensure_bridge("lo")


def test_promiscuous_is_set_once(machine: Machine, host: Namespace) -> None:
    """T: promiscMode sets promisc counter 1; a second ADD does not count further."""
    host.ensure_bridge("br0", promisc=True)
    host.ensure_bridge("br0", promisc=True)
    assert machine.host.link("br0")["promiscuity"] == 1

    host.ensure_bridge("br0")
    assert machine.host.link("br0")["promiscuity"] == 1


def test_many_make_the_same_bridge_and_address_at_once(machine: Machine) -> None:
    """F6: EEXIST is read again and verified; all of fifty succeed."""
    problems: list[Exception] = []
    start = threading.Barrier(10)

    def add() -> None:
        host = machine.host.namespace(path="")
        start.wait()
        for _ in range(5):
            try:
                host.ensure_bridge("br0")
                host.ensure_address("br0", ip_interface("10.1.0.1/24"))
                host.ensure_address("br0", ip_interface("fd01::1/64"))
            except Exception as failure:  # noqa: BLE001  # whatever it is, it is a finding
                problems.append(failure)

    threads = [threading.Thread(target=add) for _ in range(10)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert problems == []
    assert machine.host.addresses("br0") == ["10.1.0.1/24", "fd01::1/64"]


@pytest.mark.parametrize("what", ["bridge", "address"])
def test_a_lost_race_is_not_an_error(
    machine: Machine, host: Namespace, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """F6: another ADD comes between looking and making."""
    other = machine.host.namespace(path="")
    if what == "address":
        host.ensure_bridge("br0")
    method = {"bridge": "add_link", "address": "add_address"}[what]
    make = getattr(host.kernel, method)

    def late(*args: object, **keys: object) -> object:
        monkeypatch.undo()
        other.ensure_bridge("br0")
        other.ensure_address("br0", ip_interface("10.1.0.1/24"))
        return make(*args, **keys)

    monkeypatch.setattr(host.kernel, method, late)
    host.ensure_bridge("br0")
    host.ensure_address("br0", ip_interface("10.1.0.1/24"))

    assert machine.host.addresses("br0") == ["10.1.0.1/24"]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("addresses", "rivals"),
    [
        (("10.1.0.1/24", "10.2.0.1/24"), True),
        (("10.1.0.1/24", "10.1.0.1/16"), True),
        (("fd01::1/64", "fd01::2/64"), True),
        (("fd01::1/64", "fd01::1/48"), True),
        (("fd01::1/64", "fd02::1/64"), False),
        (("10.1.0.1/24", "fd01::1/64"), False),
    ],
)
def test_the_policy_for_gateway_addresses(
    machine: Machine, host: Namespace, addresses: tuple[str, str], rivals: bool, force: bool
) -> None:
    """T: v4 second address; v6 overlapping; v6 disjoint: each without force and with force."""
    present, wanted = addresses
    host.ensure_bridge("br0")
    machine.host.ip(f"address add {present} dev br0")

    if rivals and not force:
        with pytest.raises(errors.InvalidConfig) as caught:
            host.ensure_address("br0", ip_interface(wanted))
        assert f'"br0" already has an IP address different from {wanted}' in caught.value.msg
        assert present in caught.value.msg
        assert f"ip address del {present} dev br0" in caught.value.details
        assert machine.host.addresses("br0") == [present]
        return

    host.ensure_address("br0", ip_interface(wanted), replace=force)
    expected = [wanted] if rivals else [present, wanted]
    assert sorted(machine.host.addresses("br0")) == sorted(expected)


def test_all_addresses_of_a_subnet_are_replaced(machine: Machine, host: Namespace) -> None:
    """T: v4 second address, with force: the kernel removes some of them by itself."""
    host.ensure_bridge("br0")
    for number in (1, 2, 3):
        machine.host.ip(f"address add 10.1.0.{number}/24 dev br0")

    host.ensure_address("br0", ip_interface("10.2.0.1/24"), replace=True)

    assert machine.host.addresses("br0") == ["10.2.0.1/24"]


def test_an_address_that_is_there_is_left_as_it_is(machine: Machine, host: Namespace) -> None:
    """3.1 step 9: already identical -> done."""
    host.ensure_bridge("br0")
    machine.host.ip("address add 10.1.0.1/24 dev br0")
    machine.host.ip("address add 10.9.0.1/24 dev br0")

    host.ensure_address("br0", ip_interface("10.1.0.1/24"))

    assert machine.host.addresses("br0") == ["10.1.0.1/24", "10.9.0.1/24"]


def test_the_gateway_answers_at_once(machine: Machine, host: Namespace) -> None:
    """An IPv6 gateway address must not wait for duplicate address detection."""
    host.ensure_bridge("br0")
    host.ensure_address("br0", ip_interface("fd01::1/64"))

    assert "tentative" not in machine.host.sh("ip -6 address show dev br0 scope global")


def test_a_gateway_on_somebody_elses_bridge_keeps_its_mac(
    machine: Machine, container: Netns, host: Namespace
) -> None:
    """T: bridge MAC stable across ADD/DEL, v4 and v6; 3.1 step 9: pin the MAC."""
    machine.host.ip("link add br0 type bridge")
    inside = container.namespace()
    host.ensure_bridge("br0")
    host.add_veth(peer="eth0", into=inside, master="br0")
    host.ensure_address("br0", ip_interface("10.1.0.1/24"))
    mac = machine.host.link("br0")["address"]

    host.add_veth(peer="eth1", into=inside, master="br0")
    inside.remove_link("eth0")
    inside.remove_link("eth1")

    assert machine.host.link("br0")["address"] == mac


@pytest.mark.parametrize(
    ("version", "name"), [(4, "ipv4/ip_forward"), (6, "ipv6/conf/all/forwarding")]
)
def test_forwarding_is_turned_on(
    machine: Machine, host: Namespace, version: int, name: str
) -> None:
    """2.7: write "1" unless already "1"."""
    machine.host.set_sysctl(name, "0")
    with pytest.raises(errors.CniError, match=f"IPv{version} forwarding is off"):
        host.expect_forwarding(version)

    host.enable_forwarding(version)

    assert machine.host.sysctl(name) == "1"
    host.expect_forwarding(version)


@pytest.mark.parametrize(
    ("version", "name"), [(4, "ipv4/ip_forward"), (6, "ipv6/conf/all/forwarding")]
)
def test_forwarding_that_is_on_is_not_written(
    machine: Machine, host: Namespace, monkeypatch: pytest.MonkeyPatch, version: int, name: str
) -> None:
    """T: no write when already 1 (a read-only /proc/sys is good enough then)."""
    machine.host.set_sysctl(name, "1")
    written: list[str] = []
    monkeypatch.setattr(host.kernel, "set_sysctl", lambda name, _: written.append(name))

    host.enable_forwarding(version)

    assert written == []


@pytest.mark.parametrize(
    "name",
    [
        "net.ipv4.conf.br0.arp_notify",
        "net/ipv4/conf/br0/arp_notify",
        "ipv4.conf.br0.arp_notify",
        "ipv4/conf/br0/arp_notify",
    ],
)
def test_a_sysctl_has_its_name_with_dots_or_slashes(host: Namespace, name: str) -> None:
    """T: read/write both forms."""
    host.ensure_bridge("br0")
    assert host.sysctl(name) == "0"
    host.set_sysctl(name, "1")
    assert host.sysctl(name) == "1"


@pytest.mark.parametrize("name", ["ipv4/conf/br0.7/arp_notify", "net.ipv4.conf.br0/7.arp_notify"])
def test_an_interface_name_may_have_a_dot(machine: Machine, host: Namespace, name: str) -> None:
    """2.7: dots-first names swap "." and "/"."""
    machine.host.ip("link add br0.7 type bridge")
    host.set_sysctl(name, "1")

    assert machine.host.sysctl("ipv4/conf/br0.7/arp_notify") == "1"


@pytest.mark.parametrize(
    "name", ["../kernel/hostname", "ipv4/../../kernel/hostname", "", "ipv4//x"]
)
def test_a_sysctl_outside_of_net_is_refused(host: Namespace, name: str) -> None:
    """A name from a configuration must not reach files elsewhere."""
    with pytest.raises(errors.InvalidConfig, match="no name of a sysctl"):
        host.sysctl(name)


def test_a_sysctl_the_kernel_does_not_have(host: Namespace) -> None:
    """None to read, an error to write, unless it is not required."""
    assert host.sysctl("ipv4/nonsense") is None
    host.set_sysctl("ipv4/nonsense", "1", required=False)
    with pytest.raises(errors.CniError, match="ipv4/nonsense"):
        host.set_sysctl("ipv4/nonsense", "1")


def test_a_value_the_kernel_refuses_is_an_error(host: Namespace) -> None:
    """The sysctl is named."""
    with pytest.raises(errors.CniError, match=r"ipv4/ip_forward.*nvalid"):
        host.set_sysctl("ipv4/ip_forward", "many")


def test_a_port_that_stays_down_is_a_passing_condition(
    container: Netns, host: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3.1 step 12: `bridge port in error state: S`; W-BR-7: no polling."""
    monkeypatch.setattr("cnisdk._net._links._PORT_SECONDS", 0.2)
    host.ensure_bridge("br0")
    veth = host.add_veth(peer="eth0", into=container.namespace(), master="br0")

    with pytest.raises(errors.TryAgainLater, match=f"{veth.host.name}.*lowerlayerdown"):
        host.wait_port_up(veth.host.name)
    with pytest.raises(errors.TryAgainLater, match="gone"):
        host.wait_port_up("veth00000000")


def test_a_port_comes_up_with_its_other_end(container: Netns, host: Namespace) -> None:
    """W-BR-7: woken by the kernel's event."""
    host.ensure_bridge("br0")
    inside = container.namespace(deadline=Deadline(30))
    veth = host.add_veth(peer="eth0", into=inside, master="br0")
    timer = threading.Timer(0.1, lambda: container.ip("link set eth0 up"))
    timer.start()

    host.wait_port_up(veth.host.name)
    timer.join()

    link = host.link(veth.host.name)
    assert link is not None
    assert link.operstate == "up"
