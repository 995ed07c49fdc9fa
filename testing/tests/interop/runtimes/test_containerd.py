"""containerd with our plugins: its own command line, and its service for kubelet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from busybox_image import IMAGE
from containerd import Containerd
from cri import CallFailed, Cri, pod_config
from networks import (
    BANDWIDTH,
    BRIDGE,
    FIREWALL,
    GATEWAY,
    NETWORK,
    PORTMAP,
    PREFIX,
    TUNING,
    network,
)
from notice import FILE
from runtime_node import BIN_DIR, CONF_DIR, RESULTS, STATE, Node, eventually

from cnisdk.capabilities import Bandwidth, PortMapping


CONFLIST = f"{CONF_DIR}/10-{NETWORK}.conflist"
LOOK = "ip -4 -o address show eth0; ip route; cat /proc/sys/net/ipv4/conf/eth0/arp_filter"

pytestmark = pytest.mark.interop


def leftovers(node: Node) -> list[str]:
    return node.leftovers(NETWORK, PREFIX, BRIDGE)


# ---- ctr ----------------------------------------------------------------------------------------


def test_a_container_in_the_foreground_has_a_network_as_long_as_it_runs(
    containerd: Containerd,
) -> None:
    """ctr runs ADD, and DEL with an empty CNI_NETNS when the process has ended."""
    node = containerd.node
    node.write(CONFLIST, network(PORTMAP, FIREWALL, TUNING))

    seen = containerd.run("c1", "sh", "-c", f"{LOOK}; ping -c 1 -w 10 {GATEWAY}")

    assert f"inet {PREFIX}2/24 brd {PREFIX}255" in seen
    assert f"default via {GATEWAY} dev eth0" in seen
    assert "\n1\n" in seen  # tuning's sysctl
    assert "1 packets received" in seen
    assert leftovers(node) == []
    add, delete = node.calls("bridge")
    assert (add.verb, delete.verb) == ("ADD", "DEL")
    assert delete.env["CNI_NETNS"] == ""


def test_static_gives_a_container_the_address_it_is_configured_with(
    containerd: Containerd,
) -> None:
    addresses = [{"address": f"{PREFIX}77/24", "gateway": GATEWAY}]
    node = containerd.node
    node.write(CONFLIST, network(ipam={"type": "static", "addresses": addresses}))

    seen = containerd.run("c1", "ip", "-4", "-o", "address", "show", "eth0")

    assert f"inet {PREFIX}77/24" in seen
    assert leftovers(node) == []
    assert [each.verb for each in node.calls("static")] == ["ADD", "DEL"]


def test_what_ctr_leaves_of_detached_containers_is_checked_and_collected_by_our_command_line(
    containerd: Containerd,
) -> None:
    """A1, A6: ctr never sends DEL for them. What is known of them is in the cache of its libcni."""
    node = containerd.node
    node.write(CONFLIST, network(PORTMAP, FIREWALL, TUNING))
    for container in ("c1", "c2"):
        containerd.run(container, detach=True)
    first, second = (each.env for each in node.calls("bridge"))
    attachment = [NETWORK, second["CNI_NETNS"], f"--container-id={second['CNI_CONTAINERID']}"]

    assert "1 packets received" in containerd.execute("c2", "ping", "-c1", "-w10", f"{PREFIX}2")
    containerd.kill("c1")
    assert node.reserved(NETWORK) == {f"{PREFIX}2", f"{PREFIX}3"}
    assert len(node.filter_rules(first["CNI_CONTAINERID"])) > 0

    node.cnisdk("gc", NETWORK, "--stale", "--cni-path", BIN_DIR)
    assert node.reserved(NETWORK) == {f"{PREFIX}3"}
    assert node.filter_rules(first["CNI_CONTAINERID"]) == []
    assert node.filter_rules(f"{PREFIX}2/") == []
    node.cnisdk("check", *attachment, "--cni-path", BIN_DIR)

    containerd.kill("c2")
    node.cnisdk("gc", NETWORK, "--everything", "--cni-path", BIN_DIR)
    assert leftovers(node) == []


def test_what_ctr_leaves_is_collected_without_its_cache_too(containerd: Containerd) -> None:
    """A2: the plugins find by their GC what nobody else remembers."""
    node = containerd.node
    node.write(CONFLIST, network())
    for container in ("c1", "c2"):
        containerd.run(container, detach=True)
        containerd.kill(container)
    node.run("rm", "-r", RESULTS)
    assert node.reserved(NETWORK) == {f"{PREFIX}2", f"{PREFIX}3"}

    node.write(f"{STATE}/same.conflist", network(version="1.1.0"))
    node.cnisdk("gc", f"{STATE}/same.conflist", "--everything", "--cni-path", BIN_DIR)

    assert leftovers(node) == []


# ---- kubelet's interface ------------------------------------------------------------------------


@pytest.fixture
def cri(containerd: Containerd) -> Iterator[Cri]:
    made = containerd.cri()
    yield made
    made.close()


def test_a_pod_has_its_network_from_its_sandbox_to_its_removal(
    containerd: Containerd, cri: Cri
) -> None:
    """A13: kubelet stops a sandbox twice and removes it: three DELs, the later ones without CNI_NETNS."""
    node = containerd.node
    capabilities = {"portMappings": True, "bandwidth": True}
    notice = {"type": "notice", "capabilities": capabilities}
    node.write(CONFLIST, network(PORTMAP, notice, BANDWIDTH))
    eventually(cri.network_ready)
    annotations = {"kubernetes.io/ingress-bandwidth": "10M"}
    config = pod_config("web", f"/{node.name}", port_mapping=(8088, 80), annotations=annotations)

    pod = cri.run_pod(config)
    container = cri.run_container(pod, config, IMAGE, ["httpd", "-f", "-p", "80", "-h", "/www"])

    address, interfaces = cri.pod_network(pod)
    assert address == f"{PREFIX}2"
    assert [each["IP"] for each in interfaces["lo"]["IPConfigs"]] == ["127.0.0.1", "::1"]
    seen = cri.execute(container, "ip", "-o", "address")
    assert "127.0.0.1/8 scope host lo" in seen
    assert f"inet {address}/24" in seen
    assert "hello" in node.fetch(address, 80)
    assert "hello" in node.fetch(GATEWAY, 8088)

    cri.stop_pod(pod)
    assert leftovers(node) == []
    cri.stop_pod(pod)
    cri.remove_pod(pod)
    assert leftovers(node) == []
    # The version of loopback's configuration, which is in no file, is containerd's choice.
    for plugin, version in (("loopback", "0.3.1"), ("bridge", "1.0.0")):
        calls = node.calls(plugin)
        assert [each.verb for each in calls] == ["ADD", "DEL", "DEL", "DEL"]
        assert [each.env["CNI_NETNS"] for each in calls[2:]] == ["", ""]
        assert {each.stdin["cniVersion"] for each in calls} == {version}


def test_what_kubelet_says_about_a_pod_reaches_a_plugin_typed(
    containerd: Containerd, cri: Cri
) -> None:
    """containerd writes the keys of capability arguments as its Go structures spell them."""
    node = containerd.node
    capabilities = {"portMappings": True, "bandwidth": True}
    node.write(CONFLIST, network({"type": "notice", "capabilities": capabilities}))
    eventually(cri.network_ready)
    annotations = {"kubernetes.io/ingress-bandwidth": "10M"}
    config = pod_config("web", f"/{node.name}", port_mapping=(8088, 80), annotations=annotations)

    cri.run_pod(config)

    sent = node.calls("notice")[0].stdin["runtimeConfig"]
    assert sent["portMappings"][0].keys() == {"HostPort", "ContainerPort", "Protocol", "HostIP"}
    assert node.path(FILE).read_text("utf-8").splitlines() == [
        "web",
        str(Bandwidth(ingress_rate=10_000_000, ingress_burst=2**32 - 1)),
        str(PortMapping(host_port=8088, container_port=80)),
    ]


def test_a_pod_without_address_fails_with_our_words_and_leaves_nothing(
    containerd: Containerd, cri: Cri
) -> None:
    """B7: "failed to assign an IP address to container" is not what anybody can act upon."""
    node = containerd.node
    pool = {"type": "host-local", "subnet": f"{PREFIX}0/30"}  # the gateway's and one more
    node.write(CONFLIST, network(ipam=pool))
    eventually(cri.network_ready)
    cri.run_pod(pod_config("first", f"/{node.name}"))
    before = leftovers(node)

    with pytest.raises(CallFailed) as caught:
        cri.run_pod(pod_config("second", f"/{node.name}"))

    assert 'plugin type="bridge" failed (add)' in str(caught.value)
    assert f"1 of 1 addresses of network {NETWORK} are taken; retry when" in str(caught.value)
    assert leftovers(node) == before
