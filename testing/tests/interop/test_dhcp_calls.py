"""Calls of the dhcp plugin that meet each other, a slow server, none at all, or no daemon."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest


if TYPE_CHECKING:
    from tests.interop.dhcp_site import Offer, Site, address_of, wait_until
    from tests.kernel.machine import Machine, Netns, Outcome, together
else:
    from dhcp_site import Offer, Site, address_of, wait_until
    from machine import Machine, Netns, Outcome, together

pytestmark = [pytest.mark.interop, pytest.mark.kernel]


def executed(
    machine: Machine, verb: str, container: Netns, conf: dict[str, Any]
) -> Callable[[], Outcome]:
    """The plugin as a process."""
    env = machine.environment(verb, container)
    return lambda: machine.execute(machine.plugins / "dhcp", env, conf)


def with_a_lease(site: Site) -> tuple[Machine, Netns, dict[str, Any]]:
    """A served site, a container of it that has got a lease, and the result of its ADD."""
    site.serve()
    site.daemon()
    machine, container = site.machine, site.machine.container()
    return machine, container, machine.add(site.conf(), container)


def test_missing_interface(dnsmasq: Site) -> None:
    """Go's words."""
    dnsmasq.daemon()
    cfg = {**dnsmasq.conf(), "type": "dhcp"}

    out = dnsmasq.machine.call("ADD", cfg, dnsmasq.machine.container())

    assert 'error calling DHCP.Allocate: error looking up "eth0": Link not found' in out.error


def test_a_slow_server(dnsmasq: Site) -> None:
    """It pings the address for three seconds before it offers it."""
    dnsmasq.serve(Offer(pings=True))
    dnsmasq.daemon()
    container = dnsmasq.machine.container()
    began = time.monotonic()

    result = dnsmasq.machine.add(dnsmasq.conf(), container)

    assert time.monotonic() - began > 2
    assert dnsmasq.leased() == {address_of(result)}
    assert len(dnsmasq.records()) == 1


def test_no_server_at_all(dnsmasq: Site) -> None:
    """ADD ends with the plugin's own time, not the daemon's, and leaves nothing."""
    dnsmasq.daemon()
    container = dnsmasq.machine.container()
    began = time.monotonic()

    out = dnsmasq.machine.call("ADD", {**dnsmasq.conf(), "timeoutSeconds": 5}, container)

    assert time.monotonic() - began < 7
    assert out.document["code"] == 11
    assert "no more tries" in out.error
    assert set(container.links()) == {"lo"}
    assert dnsmasq.records() == []


def test_one_lease_however_often_add_is_called(dnsmasq: Site) -> None:
    """W-DH-8: also when it is called at once."""
    machine, container, _ = with_a_lease(dnsmasq)
    before = dnsmasq.records()
    requests = dnsmasq.server_log().count("DHCPREQUEST")
    cfg = {**dnsmasq.conf(), "type": "dhcp"}

    added = together([executed(machine, "ADD", container, cfg)] * 4)

    found = [address_of(each.document) for each in added]
    assert found == [before[0]["address"]] * 4
    assert dnsmasq.records() == before
    assert dnsmasq.server_log().count("DHCPREQUEST") == requests


def test_concurrent_first_adds_share_a_lease(dnsmasq: Site) -> None:
    machine, container, result = with_a_lease(dnsmasq)
    cfg = {**dnsmasq.conf(), "type": "dhcp"}
    machine.delete(cfg, container)  # the interface stays

    added = together([executed(machine, "ADD", container, cfg)] * 3)

    assert {address_of(each.document) for each in added} == {address_of(result)}
    assert dnsmasq.leased() == {address_of(result)}


def test_concurrent_deletes(dnsmasq: Site) -> None:
    """Three at once and one more all succeed."""
    machine, container, _ = with_a_lease(dnsmasq)
    cfg = {**dnsmasq.conf(), "type": "dhcp"}
    delete = executed(machine, "DEL", container, cfg)

    assert [each.code for each in [*together([delete] * 3), delete()]] == [0] * 4
    wait_until(lambda: dnsmasq.leased() == set())


def test_delete_ends_an_add_under_way(dnsmasq: Site) -> None:
    """What the Go plugin would wait for until the daemon gives up (W-DH-4)."""
    machine, container, _ = with_a_lease(dnsmasq)
    cfg = {**dnsmasq.conf(), "type": "dhcp"}
    machine.delete(cfg, container)
    dnsmasq.stop_serving()
    outcome: list[dict[str, Any]] = []
    environment = {
        **machine.environment("ADD", container),
        "CNISDK_RUN_DIR": str(machine.root / "apart"),
    }

    def add() -> None:
        outcome.append(machine.execute(machine.plugins / "dhcp", environment, cfg).document)

    thread = threading.Thread(target=add)
    thread.start()
    time.sleep(1)
    began = time.monotonic()
    machine.delete(cfg, container)

    assert time.monotonic() - began < 3
    thread.join(10)
    assert "released meanwhile" in outcome[0]["msg"]


def test_a_killed_plugin_takes_its_request_with_it(dnsmasq: Site) -> None:
    dnsmasq.daemon()
    machine, container = dnsmasq.machine, dnsmasq.machine.container()
    machine.host.ip("link add h0 type veth peer name eth0")
    machine.host.ip(f"link set eth0 netns {container.path}")
    machine.host.ip("link set h0 master br0")
    machine.host.ip("link set h0 up")
    cfg = {**dnsmasq.conf(), "type": "dhcp"}
    env = machine.environment("ADD", container)
    killed = machine.host.try_run(
        "timeout",
        "-s",
        "KILL",
        "1.5",
        str(machine.plugins / "dhcp"),
        stdin=json.dumps(cfg),
        env=env,
    )
    assert killed.returncode != 0
    # Not any end of a connection: the probe for the daemon's readiness makes one too.
    wait_until(
        lambda: [
            each
            for each in dnsmasq.daemon_log("connection ended")
            if each["reason"] == "the plugin has gone"
        ],
        5,
    )

    dnsmasq.serve()
    time.sleep(2)

    assert dnsmasq.leased() == set()


def test_a_daemon_that_hangs_does_not_hold_up_delete(dnsmasq: Site) -> None:
    machine, container, result = with_a_lease(dnsmasq)
    assert dnsmasq.daemon_process is not None
    dnsmasq.daemon_process.send_signal(signal.SIGSTOP)

    try:
        machine.delete(dnsmasq.conf(), container, prev=result)
    finally:
        dnsmasq.daemon_process.send_signal(signal.SIGCONT)

    assert set(container.links()) == {"lo"}


def test_a_failed_lease_leaves_the_interface_down(dnsmasq: Site) -> None:
    """It is set up to ask; it was down before."""
    dnsmasq.daemon("-timeout", "200ms", "-resendmax", "100ms", "-resendtimeout", "1s")
    machine, container = dnsmasq.machine, dnsmasq.machine.container()
    container.ip("link add eth0 type veth peer name eth9")
    container.ip("link set eth9 up")

    out = machine.call("ADD", {**dnsmasq.conf(), "type": "dhcp"}, container)

    assert "no more tries" in out.error
    assert "UP" not in container.link("eth0")["flags"]


def test_a_container_that_came_back(dnsmasq: Site) -> None:
    """The same ids with a new namespace, and no DEL in between: a new lease, none for two."""
    dnsmasq.serve()
    dnsmasq.daemon()
    machine = dnsmasq.machine
    first = machine.container()
    machine.add(dnsmasq.conf(), first)
    first.close()
    second = machine.container()

    result = machine.add(dnsmasq.conf(), second)

    assert [each["address"] for each in dnsmasq.records()] == [address_of(result)]
    machine.check(dnsmasq.conf(), second, result)


def test_without_the_daemon(dnsmasq: Site) -> None:
    """W-DH-2: DEL and GC succeed; ADD and STATUS say what to do."""
    machine, container = dnsmasq.machine, dnsmasq.machine.container()
    cfg = {**dnsmasq.conf(), "type": "dhcp"}

    added = machine.call("ADD", cfg, container)
    assert added.document["code"] == 11
    path = dnsmasq.socket
    expected = f"error dialing DHCP daemon: dial unix {path}: connect: no such file or directory"
    assert added.document["msg"] == expected
    status = machine.call("STATUS", cfg)
    assert status.document["code"] == 50
    assert "cnisdk dhcp-daemon" in status.error
    machine.delete(cfg, container)
    machine.gc(cfg)


def test_status_with_the_daemon(dnsmasq: Site) -> None:
    dnsmasq.daemon()

    assert dnsmasq.machine.call("STATUS", {**dnsmasq.conf(), "type": "dhcp"}).code == 0


def test_missing_ipam_section(dnsmasq: Site) -> None:
    """W-DH-3."""
    cfg = {"cniVersion": "1.0.0", "name": "mynet", "type": "dhcp"}

    out = dnsmasq.machine.call("ADD", cfg, dnsmasq.machine.container())

    assert out.document["code"] == 7
    assert "IPAM config missing 'ipam' key" in out.error
    assert dnsmasq.machine.call("DEL", cfg).code == 0
