"""podman with our plugins: bridge and host-local, and behind them portmap, firewall and tuning."""

from __future__ import annotations

import json
import re

import pytest
from networks import GATEWAY, NETWORK, PREFIX
from podman import BRIDGE, Podman
from runtime_node import BIN_DIR, CONF_DIR, eventually


MAC = "02:00:00:00:00:07"
SERVER = ["IMAGE", "httpd", "-f", "-p", "80", "-h", "/www"]

pytestmark = pytest.mark.interop


@pytest.fixture
def network(podman: Podman) -> str:
    podman.create_network(NETWORK, f"--subnet={PREFIX}0/24")
    return NETWORK


def addresses(podman: Podman, container: str) -> dict[str, list[str]]:
    """Addresses by interface, as the container sees them; without link-local ones."""
    found: dict[str, list[str]] = {}
    for line in podman("exec", container, "ip", "-o", "address").splitlines():
        match = re.match(r"\d+: (\w+) +inet6? (\S+) .*scope global", line)
        if match is not None:
            found.setdefault(match[1], []).append(match[2])
    return found


def leftovers(podman: Podman) -> list[str]:
    return podman.node.leftovers(NETWORK, PREFIX, BRIDGE)


def verbs(podman: Podman) -> list[str]:
    return [each.verb for each in podman.node.calls("bridge")]


def test_the_configuration_podman_writes_has_nothing_our_lint_objects_to(
    podman: Podman, network: str
) -> None:
    report = podman.node.cnisdk("lint", CONF_DIR, "--cni-path", BIN_DIR, "--json")

    assert json.loads(report) == {"files": 1, "errors": 0, "warnings": 0, "findings": []}


def test_a_container_is_on_both_families_while_it_runs(podman: Podman) -> None:
    flags = [f"--subnet={PREFIX}0/24", "--ipv6", "--subnet=fd00:7::/64"]
    podman.create_network(NETWORK, *flags)

    look = "ip -o address show eth0; ip route; ip -6 route"
    pings = "&& ".join(f"ping -c 1 -w 10 {each}" for each in (GATEWAY, "fd00:7::1"))
    seen = podman.run("--rm", f"--network={NETWORK}", "IMAGE", "sh", "-c", f"{look}; {pings}")

    assert f"inet {PREFIX}2/24 brd {PREFIX}255" in seen
    assert "inet6 fd00:7::2/64" in seen
    assert f"default via {GATEWAY} dev eth0" in seen
    assert "default via fd00:7::1 dev eth0" in seen
    assert seen.count("1 packets received") == 2
    assert leftovers(podman) == []
    assert podman.node.filter_rules("fd00:7::2") == []


def test_what_a_container_leaves_that_ends_by_itself_is_removed_in_the_background(
    podman: Podman, network: str
) -> None:
    """conmon calls podman for it, and the plugins, with hardly any environment."""
    podman.run("-d", f"--network={network}", "IMAGE", "sleep", "0.3")

    eventually(lambda: "DEL" in verbs(podman))
    eventually(lambda: leftovers(podman) == [])


def test_a_requested_address_and_mac_stay_until_the_container_goes(
    podman: Podman, network: str
) -> None:
    """First they come in CNI_ARGS; when podman reloads, the address comes as a capability, twice."""
    wanted = f"{network}:ip={PREFIX}77,mac={MAC}"
    podman.run("-d", "--name=web", f"--network={wanted}", "-p=8089:80", *SERVER)

    def is_served_as_wanted() -> None:
        known = podman.inspect("web")["NetworkSettings"]["Networks"][network]
        assert (known["IPAddress"], known["MacAddress"]) == (f"{PREFIX}77", MAC)
        assert addresses(podman, "web") == {"eth0": [f"{PREFIX}77/24"]}
        assert MAC in podman("exec", "web", "ip", "link", "show", "eth0")
        assert "hello" in podman.node.fetch(GATEWAY, 8089)

    is_served_as_wanted()
    podman("network", "reload", "web")
    is_served_as_wanted()
    first, _, second = podman.node.calls("host-local")
    assert f"IP={PREFIX}77" in first.env["CNI_ARGS"]
    assert "IP=" not in second.env["CNI_ARGS"]
    assert set(second.stdin["runtimeConfig"]["ips"]) == {f"{PREFIX}77"}
    assert verbs(podman) == ["ADD", "DEL", "ADD"]

    podman("rm", "--force", "--time=0", "web")
    assert leftovers(podman) == []


def test_a_running_container_is_connected_to_a_second_network_and_disconnected(
    podman: Podman, network: str
) -> None:
    podman.create_network("net2", "--subnet=10.87.8.0/24")
    podman.run("-d", "--name=web", f"--network={network}", *SERVER)
    alone = addresses(podman, "web")

    podman("network", "connect", "net2", "web")
    assert addresses(podman, "web") == {**alone, "eth1": ["10.87.8.2/24"]}
    assert "hello" in podman.node.fetch("10.87.8.2", 80)

    podman("network", "disconnect", "net2", "web")
    assert addresses(podman, "web") == alone
    assert podman.node.reserved("net2") == set()
    assert podman.node.filter_rules("10.87.8.2") == []
    assert "hello" in podman.node.fetch(f"{PREFIX}2", 80)
