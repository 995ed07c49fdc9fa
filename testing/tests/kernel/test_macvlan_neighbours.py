"""macvlan against the real kernel: what those on the same wire are asked and told about IPv6 addresses."""

from __future__ import annotations

import pytest
from machine import Machine, Netns
from macvlan_master import conf, master


pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("taken", [True, False])
def test_an_ipv6_address_is_taken_once_its_neighbours_have_been_asked(
    machine: Machine, container: Netns, taken: bool
) -> None:
    """Duplicate address detection, as with Go; and those who knew the last holder are told."""
    master(machine.host)
    machine.host.ip(f"address add fd01::{2 if taken else 3}/64 dev m1 nodad")
    out = machine.call("ADD", conf(machine, "fd01::/64"), container)

    if taken:
        assert "address fd01::2/64 is already in use on the network" in out.error
        assert set(container.links()) == {"lo"}
        return
    assert out.code == 0
    assert container.sysctl("ipv6/conf/eth0/accept_dad") == "1"
    assert container.sysctl("ipv6/conf/eth0/ndisc_notify") == "1"


def test_an_ipv6_address_on_a_master_without_carrier(machine: Machine, container: Netns) -> None:
    """Nobody can be asked; that is no reason to fail, as it is none for Go."""
    master(machine.host)
    machine.host.ip("link set m1 down")
    machine.add(conf(machine, "fd01::/64"), container)

    assert container.addresses("eth0") == ["fd01::2/64"]
