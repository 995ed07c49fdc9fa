"""The dhcp plugin and the daemon beside Debian's Go ones: either plugin with either daemon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest


if TYPE_CHECKING:
    from tests.interop.dhcp_site import Offer, Site, address_of, wait_until
else:
    from dhcp_site import Offer, Site, address_of, wait_until

GO = Path("/usr/lib/cni")

pytestmark = [
    pytest.mark.interop,
    pytest.mark.kernel,
    pytest.mark.skipif(
        not (GO / "dhcp").exists(), reason="needs the Debian package containernetworking-plugins"
    ),
]


@pytest.fixture
def site(dnsmasq: Site) -> Site:
    dnsmasq.serve(Offer(options={33: "172.30.0.0,10.66.0.7", 15: "example.org"}))
    return dnsmasq


def test_go_plugin_with_our_daemon(site: Site) -> None:
    """Its RPC, gob after an HTTP CONNECT (W-DH-10)."""
    site.daemon()
    machine, container = site.machine, site.machine.container()
    cfg = site.conf("1.0.0")

    result = machine.add(cfg, container, plugins=GO)
    address = address_of(result)

    assert container.addresses("eth0") == [f"{address}/24"]
    assert result["ips"][0]["gateway"] == "10.66.0.1"
    assert [(each["dst"], each["gw"]) for each in result["routes"]] == [
        ("172.30.0.0/16", "10.66.0.7"),
        ("0.0.0.0/0", "10.66.0.1"),
    ]
    machine.check(cfg, container, result, plugins=GO)
    machine.check(cfg, container, result)
    machine.delete(cfg, container, prev=result)
    wait_until(lambda: site.leased() == set())


def test_refusals_reach_the_go_plugin(site: Site) -> None:
    site.daemon()
    cfg = site.conf("1.0.0", request=[{"option": "nonsense"}])

    refused = site.machine.call("ADD", cfg, site.machine.container(), plugins=GO)

    assert 'error calling DHCP.Allocate: ipam: Can not parse option "nonsense"' in refused.error


def test_del_of_the_go_plugin(site: Site) -> None:
    """Go's bridge removes the interface first, so the server is not told; the lease is forgotten."""
    site.daemon()
    machine, container = site.machine, site.machine.container()
    cfg = site.conf("1.0.0")
    result = machine.add(cfg, container)

    machine.delete(cfg, container, prev=result, plugins=GO)
    machine.delete(cfg, container, prev=result, plugins=GO)

    assert site.records() == []


def test_swap_of_plugin_and_daemon(site: Site) -> None:
    """What Go's plugin and daemon have added is taken over by ours, and upheld from then on."""
    site.daemon(executable=GO / "dhcp")
    machine, container = site.machine, site.machine.container()
    cfg = site.conf("1.0.0")
    result = machine.add(cfg, container, plugins=GO)
    site.stop_daemon()
    site.daemon()

    machine.check(cfg, container, result)

    assert [each["address"] for each in site.records()] == [address_of(result)]
    machine.delete(cfg, container, prev=result)
    wait_until(lambda: site.leased() == set())


def test_back_to_go(site: Site) -> None:
    """What ours has added is checked and deleted by Go's plugin and daemon."""
    site.daemon()
    machine, container = site.machine, site.machine.container()
    cfg = site.conf("1.0.0")
    result = machine.add(cfg, container)
    site.stop_daemon()
    site.daemon(executable=GO / "dhcp")

    machine.check(cfg, container, result, plugins=GO)
    machine.delete(cfg, container, prev=result, plugins=GO)

    assert set(container.links()) == {"lo"}


def test_our_plugin_with_the_go_daemon(site: Site) -> None:
    site.daemon(executable=GO / "dhcp")
    machine, container = site.machine, site.machine.container()
    cfg = site.conf("1.1.0")

    result = machine.add(cfg, container)

    assert container.addresses("eth0") == [f"{address_of(result)}/24"]
    assert result["ips"][0]["gateway"] == "10.66.0.1"
    assert {"dst": "172.30.0.0/16", "gw": "10.66.0.7"} in result["routes"]
    machine.check(cfg, container, result)
    other = {**result, "ips": [{**result["ips"][0], "address": "10.66.0.99/24"}]}
    assert machine.call("CHECK", {**cfg, "type": "dhcp"}, container, prev=other).code != 0
    machine.delete(cfg, container, prev=result)
    wait_until(lambda: site.leased() == set())
    assert machine.call("STATUS", cfg).code == 0
    machine.gc(cfg)


def test_refusals_of_the_go_daemon(site: Site) -> None:
    site.daemon(executable=GO / "dhcp")
    cfg = site.conf("1.1.0")

    refused = site.machine.call("ADD", {**cfg, "type": "dhcp"}, site.machine.container())

    assert 'error calling DHCP.Allocate: error looking up "eth0": Link not found' in refused.error
