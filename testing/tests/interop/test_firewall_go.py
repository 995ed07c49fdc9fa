"""Masquerading and MAC spoof checks side by side with the Go bridge plugin (swap both ways)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest

from cnisdk._names import Attachment
from cnisdk._net._firewall import KernelFirewall


GO_PLUGINS = "/usr/lib/cni"
ME = Attachment(network="mynet", container_id="cid1", ifname="eth0")

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        not os.path.exists(f"{GO_PLUGINS}/bridge") or not shutil.which("nft"),
        reason="needs the Debian packages containernetworking-plugins, nftables and iptables",
    ),
]


@contextmanager
def network_namespace() -> Generator[int]:
    name = f"go-{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY | os.O_CLOEXEC)
    subprocess.run(["ip", "netns", "del", name], check=True)
    yield fd
    os.close(fd)


class Node:
    """A node and one container, each a namespace, and the Go plugins on the node."""

    def __init__(self, host: int, container: int, state: Path) -> None:
        self.host, self.container, self.state = host, container, state
        self.firewall = KernelFirewall(host)

    def run(self, *command: str, stdin: str = "", **env: str) -> str:
        done = subprocess.run(
            ["nsenter", f"--net=/proc/self/fd/{self.host}", *command],
            check=False,
            input=stdin,
            capture_output=True,
            text=True,
            pass_fds=[self.host, self.container],
            env={**os.environ, **env},
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def go(self, verb: str, **keys: Any) -> str:
        config = {
            "cniVersion": "1.0.0",
            "name": ME.network,
            "type": "bridge",
            "bridge": "cni0",
            "ipam": {
                "type": "host-local",
                "subnet": "10.55.0.0/24",
                "dataDir": str(self.state),
            },
            **keys,
        }
        return self.run(
            f"{GO_PLUGINS}/bridge",
            stdin=json.dumps(config),
            CNI_COMMAND=verb,
            CNI_CONTAINERID=ME.container_id,
            CNI_IFNAME=ME.ifname,
            CNI_NETNS=f"/proc/self/fd/{self.container}",
            CNI_PATH=GO_PLUGINS,
        )

    def rules(self) -> list[str]:
        """What is in the packet filter beyond tables and base chains."""
        nat = self.run("iptables-save", "-t", "nat").splitlines()
        bridge = self.run("nft", "list", "ruleset", "bridge").splitlines()
        return [line for line in nat if "CNI-" in line] + [
            line for line in bridge if "cni-br-iface" in line
        ]


@pytest.fixture
def node(tmp_path: Path) -> Generator[Node]:
    with network_namespace() as host, network_namespace() as container:
        yield Node(host, container, tmp_path)


def facts(result: str) -> tuple[list[Any], str, str]:
    """Addresses, host-side link and container MAC of a result."""
    document = json.loads(result)
    addresses = [ip_interface(ip["address"]) for ip in document["ips"]]
    return addresses, document["interfaces"][1]["name"], document["interfaces"][2]["mac"]


def test_what_go_added_is_checked_and_removed_by_us(node: Node) -> None:
    """Design section 6: an attachment added by the Go plugin is checked and deleted by ours."""
    addresses, veth, mac = facts(node.go("ADD", ipMasq=True, macspoofchk=True))

    node.firewall.expect_masquerade(ME, addresses, backend=None)
    node.firewall.expect_spoof_check(ME, veth, mac)
    node.firewall.remove_masquerade(ME)
    node.firewall.remove_spoof_check(ME)

    assert node.rules() == []


def test_what_we_added_is_removed_by_go(node: Node) -> None:
    """Design section 6: one added by ours is deleted by theirs."""
    addresses, veth, mac = facts(node.go("ADD"))
    node.firewall.add_masquerade(ME, addresses, backend="iptables")
    node.firewall.add_spoof_check(ME, veth, mac)

    assert len(node.rules()) > 0
    assert node.go("DEL", ipMasq=True, macspoofchk=True) == ""
    assert node.rules() == []


def test_what_go_could_not_remove_without_a_namespace_is_swept_by_gc(node: Node) -> None:
    """W-BR-2, W-MASQ-2, A4: DEL with empty CNI_NETNS leaves the rules, and Go has no GC."""
    addresses, _, _ = facts(node.go("ADD", ipMasq=True))

    node.firewall.retain_masquerade(ME.network, [ME])
    node.firewall.expect_masquerade(ME, addresses, backend="iptables")
    node.firewall.retain_masquerade(ME.network, [])

    assert node.rules() == []
