"""Our runtime and Go's libcni, as it is built into runtimes, on one cache directory."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from containerd import Containerd
from networks import NETWORK, PORTMAP, PREFIX, network
from podman import BRIDGE, Podman
from runtime_node import BIN_DIR, CONF_DIR, RESULTS


pytestmark = pytest.mark.interop


def document(path: Path) -> dict[str, Any]:
    """A cache file."""
    return json.loads(path.read_text("utf-8"))


def shape(value: Any) -> Any:
    """A document without the values that differ from container to container."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items() if each not in ({}, None)}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value)


def test_our_cache_file_is_libcnis_but_for_what_newer_ones_have(containerd: Containerd) -> None:
    node = containerd.node
    node.write(f"{CONF_DIR}/10-{NETWORK}.conflist", network(PORTMAP))
    containerd.run("c1", detach=True)
    (theirs,) = node.path(RESULTS).iterdir()
    node.run("ip", "netns", "add", "c2")

    node.cnisdk("add", NETWORK, "c2", "--container-id=c2", "--cni-path", BIN_DIR)

    ours = document(node.path(f"{RESULTS}/{NETWORK}-c2-eth0"))
    assert ours["netns"] == "/run/netns/c2"
    expected = document(theirs)
    configs = [json.loads(b64decode(each["config"])) for each in (ours, expected)]
    assert configs[0] == configs[0] | configs[1]
    del ours["netns"], ours["cnisdk"]
    for interface in ours["result"]["interfaces"]:
        del interface["mtu"]
    assert shape(ours) == shape(expected)


def test_our_runtime_goes_on_with_what_libcni_began_and_libcni_with_ours(podman: Podman) -> None:
    """DEL is given the result of ADD; podman's libcni takes it out of a file we have written."""
    podman.create_network(NETWORK, f"--subnet={PREFIX}0/24")
    podman.run("-d", "--name=web", f"--network={NETWORK}:mac=02:00:00:00:00:07", "IMAGE")
    node = podman.node
    (cached,) = node.path(RESULTS).glob(f"{NETWORK}-*")
    began = document(cached)
    netns = node.calls("bridge")[0].env["CNI_NETNS"]
    attachment = [NETWORK, netns, f"--container-id={began['containerId']}", "--cni-path", BIN_DIR]

    node.cnisdk("check", *attachment)
    node.cnisdk("del", *attachment)
    assert not cached.exists()
    assert node.leftovers(NETWORK, PREFIX, BRIDGE) == [os.path.basename(netns)]
    args = ["--args=IgnoreUnknown=1", "--args=K8S_POD_NAME=web"]
    node.cnisdk("add", *attachment, *args)
    podman("rm", "--force", "--time=0", "web")

    add, delete = node.calls("bridge")[-2:]
    assert (add.verb, delete.verb) == ("ADD", "DEL")
    assert delete.env["CNI_ARGS"] == add.env["CNI_ARGS"] == "IgnoreUnknown=1;K8S_POD_NAME=web"
    assert add.result is not None
    assert delete.stdin["prevResult"]["ips"] == add.result["ips"]
    assert node.leftovers(NETWORK, PREFIX, BRIDGE) == []
