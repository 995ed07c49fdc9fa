"""A chain of ptp or bridge with portmap, as operators run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from machine import Machine, Netns, Outcome
from traffic import awake


GO = Path("/usr/lib/cni")
V6 = "fd01::/64"


@attrs.frozen
class Attached:
    """What ADD of the chain has returned."""

    result: dict[str, Any]
    conf: dict[str, Any]

    @property
    def v4(self) -> str:
        return str(self.result["ips"][0]["address"]).partition("/")[0]


@attrs.frozen
class Chain:
    """The plugin that makes the interface, and portmap after it."""

    machine: Machine
    kind: str
    name: str = "mynet"
    subnet: str = "10.1.0.0/24"
    version: str = "1.0.0"

    def first(self) -> dict[str, Any]:
        """Configuration of the plugin that makes the interface."""
        document = self.machine.conf(
            self.subnet, V6.replace("1", self.subnet[3]), version=self.version, isGateway=True
        )
        document["ipam"]["routes"] = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
        # With br_netfilter, what comes back to its own port stays on the bridge.
        document["hairpinMode"] = True
        return {**document, "name": self.name, "type": self.kind, "bridge": f"br{self.subnet[3]}"}

    def conf(self, *mappings: dict[str, Any], **keys: Any) -> dict[str, Any]:
        """Configuration of portmap."""
        document = {"cniVersion": self.version, "name": self.name, "type": "portmap", **keys}
        if mappings:
            given = [{"protocol": "tcp", **each} for each in mappings]
            document["runtimeConfig"] = {"portMappings": given}
        return document

    def add_first(self, netns: Netns, **context: Any) -> dict[str, Any]:
        """The interface alone; both families forwarded, as on a node."""
        awake(self.machine.host, netns)
        result = self.machine.add(self.first(), netns, **context)
        for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            self.machine.host.set_sysctl(name, "1")
        return result

    def try_add(
        self,
        netns: Netns,
        *mappings: dict[str, Any],
        plugins: Path | None = None,
        container_id: str = "c1",
        **keys: Any,
    ) -> Outcome:
        """Interface and ports; an ADD of portmap that may fail."""
        prev = self.add_first(netns, container_id=container_id)
        return self.machine.call(
            "ADD",
            self.conf(*mappings, **keys),
            netns,
            prev=prev,
            plugins=plugins,
            container_id=container_id,
        )

    def add(
        self,
        netns: Netns,
        *mappings: dict[str, Any],
        plugins: Path | None = None,
        container_id: str = "c1",
        **keys: Any,
    ) -> Attached:
        """Interface and ports."""
        out = self.try_add(netns, *mappings, plugins=plugins, container_id=container_id, **keys)
        assert out.code == 0, out
        return Attached(out.document, self.conf(*mappings, **keys))

    def check(self, netns: Netns, made: Attached, **context: Any) -> None:
        self.machine.check(made.conf, netns, made.result, **context)

    def delete(self, netns: Netns | None, *mappings: dict[str, Any], **context: Any) -> None:
        """DEL of portmap, which need not be told the ports."""
        self.machine.delete(self.conf(*mappings), netns, **context)
