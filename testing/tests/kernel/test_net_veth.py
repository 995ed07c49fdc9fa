"""Making veth pairs (contracts 2.2) and the faults W-VETH-*."""

from __future__ import annotations

import pytest
from machine import Machine, Netns, attachment

from cnisdk import errors
from cnisdk._net import Namespace
from cnisdk._net._links import veth_names
from cnisdk._rollback import Rollback


pytestmark = pytest.mark.kernel

ME = attachment()


@pytest.fixture
def rollback() -> Rollback:
    return Rollback()


@pytest.fixture
def host(machine: Machine, rollback: Rollback) -> Namespace:
    return machine.host.namespace(ME, rollback, path="")


@pytest.fixture
def inside(container: Netns) -> Namespace:
    return container.namespace()


def test_the_ends_lie_in_their_namespaces_and_know_each_other(
    machine: Machine, container: Netns, host: Namespace, inside: Namespace
) -> None:
    """T: peer index correct; ends in separate ns."""
    veth = host.add_veth(peer="eth0", into=inside)

    near, far = machine.host.link(veth.host.name), container.link("eth0")
    assert (near["link_index"], far["link_index"]) == (far["ifindex"], near["ifindex"])
    assert [near["linkinfo"]["info_kind"], far["linkinfo"]["info_kind"]] == ["veth", "veth"]
    assert set(container.links()) == {"lo", "eth0"}
    assert set(machine.host.links()) == {"lo", veth.host.name}


def test_the_host_end_is_up_and_the_container_end_is_not_yet(
    machine: Machine, container: Netns, host: Namespace, inside: Namespace
) -> None:
    """2.2: host end up with accept_ra 0, container end down."""
    veth = host.add_veth(peer="eth0", into=inside)

    assert "UP" in machine.host.link(veth.host.name)["flags"]
    assert "UP" not in container.link("eth0")["flags"]
    assert machine.host.sysctl(f"ipv6/conf/{veth.host.name}/accept_ra") == "0"


def test_the_result_tells_names_macs_mtus_and_the_sandbox(
    machine: Machine, container: Netns, host: Namespace, inside: Namespace
) -> None:
    """2.2: both ends get the MTU; the MAC, if any, only the container's end."""
    veth = host.add_veth(peer="eth0", into=inside, mac="02:00:00:00:00:42", mtu=1400)

    near, far = machine.host.link(veth.host.name), container.link("eth0")
    assert veth.host.mac == near["address"] != "02:00:00:00:00:42"
    assert veth.peer.mac == far["address"] == "02:00:00:00:00:42"
    assert veth.host.mtu == veth.peer.mtu == near["mtu"] == far["mtu"] == 1400
    assert (veth.host.sandbox, veth.peer.sandbox) == ("", container.path)


@pytest.mark.parametrize("text", ["02-00-00-00-0A-42", "0200.0000.0a42", "02:00:00:00:0A:42"])
def test_a_mac_may_be_written_with_colons_dashes_or_dots(
    container: Netns, host: Namespace, inside: Namespace, text: str
) -> None:
    """T: explicit MAC."""
    assert host.add_veth(peer="eth0", into=inside, mac=text).peer.mac == "02:00:00:00:0a:42"
    assert container.link("eth0")["address"] == "02:00:00:00:0a:42"


@pytest.mark.parametrize(
    "text", ["nonsense", "02:00:00:00:00", "01:00:5e:00:00:01", "00:00:00:00:00:00", "0" * 16]
)
def test_a_mac_no_interface_can_have_is_refused_before_anything_is_made(
    machine: Machine, host: Namespace, inside: Namespace, text: str
) -> None:
    """2.2: other failures name the MAC."""
    with pytest.raises(errors.InvalidConfig, match=text):
        host.add_veth(peer="eth0", into=inside, mac=text)
    assert set(machine.host.links()) == {"lo"}


def test_a_taken_container_name_is_named_with_its_namespace(
    machine: Machine, container: Netns, host: Namespace, inside: Namespace
) -> None:
    """T: container name taken -> useful error."""
    container.ip("link add eth0 type bridge")

    with pytest.raises(errors.InvalidEnvironment) as caught:
        host.add_veth(peer="eth0", into=inside)

    assert '"eth0"' in caught.value.msg
    assert container.path in caught.value.msg
    assert "bridge" in caught.value.details
    assert set(machine.host.links()) == {"lo"}


def test_a_foreign_link_of_our_name_is_left_alone_and_another_name_taken(
    machine: Machine, host: Namespace, inside: Namespace
) -> None:
    """W-VETH-1: a host-side collision is retried, and nobody's link gets our tag."""
    first, second, *_ = veth_names(ME)
    machine.host.ip(f"link add {first} type bridge")
    machine.host.ip(f"link set {first} up")

    veth = host.add_veth(peer="eth0", into=inside)

    assert veth.host.name == second
    assert machine.host.link(first)["linkinfo"]["info_kind"] == "bridge"
    assert "ifalias" not in machine.host.link(first)
    host.remove_owned(ME)
    assert set(machine.host.links()) == {"lo", first}


def test_no_free_host_name_is_an_error_that_blames_the_host(
    machine: Machine, host: Namespace, inside: Namespace, rollback: Rollback
) -> None:
    """T: no host name available -> error; W-VETH-1: the container's name is not blamed."""
    for name in veth_names(ME):
        machine.host.ip(f"link add {name} type bridge")

    with pytest.raises(errors.TryAgainLater, match="no free name for a veth on the host"):
        host.add_veth(peer="eth0", into=inside)

    rollback.run(RuntimeError())
    assert set(machine.host.links()) == {"lo", *veth_names(ME)}
    assert inside.link("eth0") is None


def test_what_a_killed_add_left_under_our_name_makes_room(
    machine: Machine, host: Namespace, inside: Namespace
) -> None:
    """A15: a retry after a crash works; killed before or after the tag was set."""
    first, second, *_ = veth_names(ME)
    machine.host.ip(f"link add {first} type veth peer name x0")
    machine.host.ip(f"link add {second} type veth peer name x1")
    machine.host.run("ip", "link", "set", second, "alias", ME.owner_tag)

    assert host.add_veth(peer="eth0", into=inside).host.name == first
    assert host.link("x0") is None


@pytest.mark.parametrize("killed", ["before the tag", "after it"])
def test_a_killed_add_is_cleaned_up_by_name(machine: Machine, host: Namespace, killed: str) -> None:
    """Design section 4.4: DEL needs no more than network, container id and ifname."""
    for number, name in enumerate(veth_names(ME)):
        machine.host.ip(f"link add {name} type veth peer name x{number}")
        if killed == "after it":
            machine.host.run("ip", "link", "set", name, "up", "alias", ME.owner_tag)

    host.remove_owned(ME)

    assert set(machine.host.links()) == {"lo"}


def test_links_of_others_survive(machine: Machine, host: Namespace) -> None:
    """Design section 4.5: what is not tagged with this network is never touched."""
    others = veth_names(ME)
    tags = [attachment("c2").owner_tag, "somebody's", ""]
    for number, (name, tag) in enumerate(zip(others, tags, strict=True)):
        machine.host.ip(f"link add {name} type veth peer name x{number}")
        machine.host.ip(f"link set {name} up")
        if tag:
            machine.host.run("ip", "link", "set", name, "alias", tag)

    host.remove_owned(ME)

    assert set(others) <= set(machine.host.links())


def test_two_attachments_of_one_container_stand_side_by_side(
    machine: Machine, container: Netns, inside: Namespace
) -> None:
    """T: second pair OK."""
    names = [
        machine.host.namespace(attachment(ifname=ifname), path="")
        .add_veth(peer=ifname, into=inside)
        .host.name
        for ifname in ("eth0", "eth1")
    ]

    assert set(machine.host.links()) == {"lo", *names}
    assert set(container.links()) == {"lo", "eth0", "eth1"}


def test_removing_one_end_removes_both(
    machine: Machine, container: Netns, host: Namespace, inside: Namespace
) -> None:
    """T: delete removes both ends."""
    host.add_veth(peer="eth0", into=inside)

    assert inside.remove_link("eth0") is True
    assert set(machine.host.links()) == {"lo"}
    assert set(container.links()) == {"lo"}


def test_removing_what_is_not_there_says_so(inside: Namespace) -> None:
    """T: deleting absent -> sentinel."""
    assert inside.remove_link("eth0") is False


def test_a_link_of_another_kind_is_not_removed(container: Netns, inside: Namespace) -> None:
    """DEL of bridge takes away a veth, not whatever has its name."""
    container.ip("link add eth0 type bridge")

    assert inside.remove_link("eth0", kind="veth") is False
    assert "eth0" in container.links()


@pytest.mark.parametrize("broken", ["set_sysctl", "change_link"])
def test_a_failure_on_the_host_side_leaves_nothing(
    machine: Machine, host: Namespace, inside: Namespace, rollback: Rollback, broken: str
) -> None:
    """W-VETH-2: the pair is removed when the step after making it fails."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(broken)

    owner = host if broken == "set_sysctl" else host.kernel
    setattr(owner, broken, fail)
    with pytest.raises(RuntimeError) as caught:
        host.add_veth(peer="eth0", into=inside)
    rollback.run(caught.value)

    assert set(machine.host.links()) == {"lo"}
    assert inside.link("eth0") is None


def test_the_owner_is_written_on_the_host_end(
    machine: Machine, host: Namespace, inside: Namespace
) -> None:
    """Design section 4.4: effects outside the container carry an owner tag."""
    veth = host.add_veth(peer="eth0", into=inside)

    assert machine.host.link(veth.host.name)["ifalias"] == ME.owner_tag


def test_without_an_owner_the_pair_has_a_random_name_and_is_undone(
    machine: Machine, inside: Namespace
) -> None:
    """op.host of GC and STATUS has no attachment; what is made there still has a name."""
    rollback = Rollback()
    host = machine.host.namespace(None, rollback, path="")
    names = {host.add_veth(peer=f"e{i}", into=inside).host.name for i in range(3)}

    assert len(names) == 3
    rollback.run(RuntimeError())
    assert set(machine.host.links()) == {"lo"}


def test_gc_keeps_valid_attachments_and_other_networks(machine: Machine, container: Netns) -> None:
    """Design section 4.5: by owner tag, whatever the names."""
    inside = container.namespace()
    kept = {
        machine.host.namespace(each, path="").add_veth(peer=each.ifname, into=inside).host.name
        for each in (attachment(ifname="a"), attachment(ifname="b"))
    }
    gone = machine.host.namespace(attachment(ifname="c"), path="").add_veth(peer="c", into=inside)
    machine.host.ip(f"link set {gone.host.name} down")
    machine.host.ip(f"link set {gone.host.name} name renamed0")
    foreign = "other-network"
    machine.host.ip("link add other0 type bridge")
    machine.host.run("ip", "link", "set", "other0", "alias", foreign)

    valid = [attachment(ifname="a"), attachment(ifname="b")]
    machine.host.namespace(path="").retain_owned("mynet", valid)

    assert set(machine.host.links()) == {"lo", "other0", *kept}
