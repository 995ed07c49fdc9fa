"""Leases on interfaces that few kernels have: ipvlan, whose containers share a hardware address, and vlan."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest


sys.path.insert(0, str(Path(__file__).parents[1] / "interop"))
if TYPE_CHECKING:
    from tests.interop.dhcp_site import Site, address_of, new_site, wait_until
else:
    from dhcp_site import Site, address_of, new_site, wait_until

pytestmark = pytest.mark.lab


@pytest.fixture
def site(tmp_path: Path, plugins: Path) -> Iterator[Site]:
    with new_site("dnsmasq", tmp_path, plugins) as made:
        made.serve()
        made.daemon()
        yield made


def test_ipvlan(site: Site) -> None:
    """The address is not the interface's yet, so only broadcasts reach it (W-DH-5); and each has its own lease."""
    machine = site.machine
    cfg = {**site.conf(), "type": "ipvlan", "master": "br0"}
    first, second = machine.container(), machine.container()

    one = machine.add(cfg, first, container_id="c1")
    two = machine.add(cfg, second, container_id="c2")

    assert first.link("eth0")["address"] == second.link("eth0")["address"]
    assert site.leased() == {address_of(one), address_of(two)}
    machine.check(cfg, first, one, container_id="c1")
    machine.delete(cfg, first, prev=one, container_id="c1")
    wait_until(lambda: site.leased() == {address_of(two)})


def test_vlan(site: Site) -> None:
    machine, container = site.machine, site.machine.container()
    site.server.ip("link add link s0 name s0.7 type vlan id 7")
    site.server.ip("address del 10.66.0.1/24 dev s0")
    site.server.ip("address add 10.66.0.1/24 dev s0.7")
    site.server.ip("link set s0.7 up")
    site.stop_serving()
    site.serve(interface="s0.7")
    cfg = {**site.conf(), "type": "vlan", "master": "br0", "vlanId": 7}

    result = machine.add(cfg, container)

    assert container.addresses("eth0") == [f"{address_of(result)}/24"]
    machine.delete(cfg, container, prev=result)
    wait_until(lambda: site.leased() == set())
