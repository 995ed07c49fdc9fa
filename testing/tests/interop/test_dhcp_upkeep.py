"""What the daemon does with a lease: renewing, rebinding, the end of it; and what a restart changes: nothing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest


if TYPE_CHECKING:
    from tests.interop.dhcp_site import Offer, Site, address_of, wait_until
    from tests.kernel.machine import Netns
else:
    from dhcp_site import Offer, Site, address_of, wait_until

pytestmark = [pytest.mark.interop, pytest.mark.kernel]

SHORT = Offer(seconds=8, t1=2, t2=5)
"""For kea: dnsmasq has no leases below two minutes, but takes any T1 and T2."""
EARLY = Offer(seconds=120, t1=2, t2=4)


def added(site: Site, offer: Offer) -> tuple[Netns, str, dict[str, Any]]:
    """A container with a lease, and the daemon that keeps it."""
    site.serve(offer)
    site.daemon("-timeout", "1s")
    container = site.machine.container()
    result = site.machine.add(site.conf(), container)
    return container, address_of(result), result


def expiry(site: Site, address: str) -> float:
    """When the server's lease ends."""
    rows = (site.root / "server.leases").read_text().splitlines()
    of_it = [row for row in rows if address in row]
    return float(
        of_it[-1].split("," if site.kind == "kea" else " ")[4 if site.kind == "kea" else 0]
    )


@pytest.mark.parametrize("server", ["kea", "dnsmasq"])
def test_renewal(server: str, request: pytest.FixtureRequest) -> None:
    """At T1, by unicast: the server's lease goes on, and nobody else is asked (W-DH-6)."""
    site: Site = request.getfixturevalue(server)
    container, address, result = added(site, SHORT if server == "kea" else EARLY)
    first = expiry(site, address)

    wait_until(lambda: expiry(site, address) >= first + 4)

    assert site.leased() == {address}
    site.machine.check(site.conf(), container, result)
    assert not site.daemon_log("renewal refused")
    assert site.server_log().count("DISCOVER") <= 4


def test_upheld_past_its_first_end(kea: Site) -> None:
    container, address, result = added(kea, SHORT)

    time.sleep(SHORT.seconds + 3)

    assert kea.leased() == {address}
    kea.machine.check(kea.conf(), container, result)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_restart_of_the_daemon(kea: Site, end: int) -> None:
    """W-DH-1: leases are resumed, a stale socket is replaced, the lease is renewed by the new daemon."""
    container, address, result = added(kea, SHORT)
    kea.stop_daemon(end)
    assert kea.socket.exists() == (end == signal.SIGKILL)
    kea.daemon("-timeout", "1s")

    assert [each["lease"] for each in kea.daemon_log("lease resumed")] == [address]
    time.sleep(SHORT.seconds + 3)

    assert kea.leased() == {address}
    kea.machine.check(kea.conf(), container, result)
    kea.machine.delete(kea.conf(), container, prev=result)
    wait_until(lambda: kea.leased() == set())
    assert kea.records() == []


def test_restart_without_the_container(kea: Site) -> None:
    """What is not there any more is not resumed."""
    container, _, _ = added(kea, SHORT)
    kea.stop_daemon(signal.SIGKILL)
    container.close()

    kea.daemon("-timeout", "1s")

    assert len(kea.daemon_log("lease not resumed")) == 1
    assert kea.records() == []


def test_restart_with_another_interface(kea: Site) -> None:
    """An interface of the same name in the same namespace is another interface."""
    container, _, _ = added(kea, SHORT)
    kea.stop_daemon(signal.SIGKILL)
    container.ip("link del eth0")
    container.ip("link add eth0 type veth peer name other")

    kea.daemon("-timeout", "1s")

    assert len(kea.daemon_log("lease not resumed")) == 1


def test_restart_after_the_end_of_the_lease(kea: Site) -> None:
    """The same address is asked for anew; the container need not know."""
    container, address, result = added(kea, SHORT)
    kea.stop_daemon(signal.SIGKILL)
    time.sleep(SHORT.seconds + 1)

    kea.daemon("-timeout", "1s")

    wait_until(lambda: kea.leased() == {address})
    kea.machine.check(kea.conf(), container, result)
    assert container.link("eth0")["operstate"] == "UP"


def test_restart_after_the_address_was_given_to_another(kea: Site) -> None:
    container, address, result = added(kea, Offer(seconds=6, t1=2, t2=4, first=5, last=5))
    kea.stop_daemon(signal.SIGKILL)
    time.sleep(7)
    other = kea.machine.container()
    kea.daemon("-timeout", "500ms", at=kea.root / "another.sock")
    cfg = kea.conf(daemonSocketPath=str(kea.root / "another.sock"))
    assert address_of(kea.machine.add(cfg, other, container_id="c2")) == address

    kea.daemon("-timeout", "500ms")

    wait_until(lambda: kea.daemon_log("lease lost"))
    assert "UP" not in container.link("eth0")["flags"]
    assert kea.machine.call("CHECK", {**kea.conf(), "type": "dhcp"}, container, prev=result).code


def test_a_server_that_comes_back(kea: Site) -> None:
    """Gone at T1, back before the end: the lease is renewed or rebound."""
    container, address, result = added(kea, SHORT)
    kea.stop_serving()
    time.sleep(4)

    kea.serve(SHORT)
    time.sleep(SHORT.seconds)

    assert kea.leased() == {address}
    kea.machine.check(kea.conf(), container, result)


def test_a_server_that_forgot(kea: Site) -> None:
    """It refuses (NAK), and then gives the same address: the container need not know."""
    container, address, result = added(kea, SHORT)
    kea.stop_serving(forget=True)
    kea.serve(SHORT)

    wait_until(lambda: kea.leased() == {address})

    time.sleep(3)
    kea.machine.check(kea.conf(), container, result)


def test_a_server_that_refuses(dnsmasq: Site) -> None:
    """NAK, and the address is not to be had any more: the interface is set down, CHECK says why."""
    container, address, result = added(dnsmasq, EARLY)
    machine, cfg = dnsmasq.machine, {**dnsmasq.conf(), "type": "dhcp"}
    dnsmasq.stop_serving(forget=True)
    elsewhere = attrs.evolve(EARLY, first=200, last=210, extra=("--dhcp-authoritative",))
    dnsmasq.serve(elsewhere)

    wait_until(lambda: dnsmasq.daemon_log("lease lost"))

    assert dnsmasq.daemon_log("renewal refused")
    assert "UP" not in container.link("eth0")["flags"]
    assert dnsmasq.records() == []
    out = machine.call("CHECK", cfg, container, prev=result)
    assert f"no server gives {address} to this client any more" in out.error
    machine.delete(dnsmasq.conf(), container, prev=result)
    again = machine.add(dnsmasq.conf(), machine.container())
    assert address_of(again).startswith("10.66.0.2")


def test_expiry(kea: Site) -> None:
    """Nobody extends it: the address may not be used any more, and another machine may get it."""
    container, address, result = added(kea, SHORT)
    kea.stop_serving()

    wait_until(lambda: kea.daemon_log("lease lost"))

    assert "UP" not in container.link("eth0")["flags"]
    out = kea.machine.call("CHECK", {**kea.conf(), "type": "dhcp"}, container, prev=result)
    assert f"the lease of {address} has expired" in out.error
    kea.machine.delete(kea.conf(), container, prev=result)


def test_upkeep_ends_with_the_interface(kea: Site) -> None:
    """Without DEL: at the next step the lease is forgotten, and nothing spins."""
    container, _, _ = added(kea, SHORT)
    container.ip("link del eth0")

    wait_until(lambda: kea.daemon_log("upkeep ended"))

    assert kea.records() == []
    assert len(kea.daemon_log("upkeep ended")) == 1


def test_no_growth(dnsmasq: Site) -> None:
    """Rounds of ADD, CHECK, DEL leave no descriptor, thread or namespace; CI does fewer than 1,000."""
    dnsmasq.serve()
    dnsmasq.daemon()
    machine = dnsmasq.machine
    assert dnsmasq.daemon_process is not None
    process = Path(f"/proc/{dnsmasq.daemon_process.pid}")
    cfg = dnsmasq.conf()
    rounds = int(os.environ.get("CNI_DHCP_ROUNDS", "30"))
    seen: list[tuple[int, int]] = []

    for _ in range(rounds):
        container = machine.container()
        result = machine.add(cfg, container)
        machine.check(cfg, container, result)
        machine.delete(cfg, container, prev=result)
        container.close()
        seen.append(
            (len(list((process / "fd").iterdir())), len(list((process / "task").iterdir())))
        )

    assert len(set(seen[2:])) == 1, seen
    assert seen[-1][1] == 1


def test_leases_hold_nothing_open(dnsmasq: Site) -> None:
    """Ten leases need as many descriptors as none, so a namespace goes when its container goes."""
    dnsmasq.serve()
    dnsmasq.daemon()
    machine = dnsmasq.machine
    assert dnsmasq.daemon_process is not None
    descriptors = Path(f"/proc/{dnsmasq.daemon_process.pid}/fd")
    machine.add(dnsmasq.conf(), machine.container(), container_id="first")
    before = len(list(descriptors.iterdir()))

    for number in range(10):
        machine.add(dnsmasq.conf(), machine.container(), container_id=f"c{number}")

    assert len(list(descriptors.iterdir())) == before
