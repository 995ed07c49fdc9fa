"""A picture of everything a plugin may change, and the difference of two."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping

from attrs import define, field, frozen

from cni_conformance import _kernel
from cni_conformance._sandbox import Sandbox
from cni_conformance.state import _files, _filtering, _links, _processes, _sockets, _sysctls


OBSERVED = (
    "link",
    "address",
    "route",
    "rule",
    "neighbour",
    "qdisc",
    "filter",
    "firewall",
    "sysctl",
    "socket",
    "file",
    "namespace",
    "process",
)


@frozen
class State:
    """One picture: lines of text by what they are about, such as `host link`."""

    lines: Mapping[str, frozenset[str]]

    def diff(self, later: State) -> list[str]:
        """What changed up to a later picture, as `- topic: line` and `+ topic: line`."""
        changes: list[str] = []
        for topic in sorted({*self.lines, *later.lines}):
            before = self.lines.get(topic, frozenset())
            after = later.lines.get(topic, frozenset())
            if topic.endswith(" sysctl"):
                label = topic.removesuffix(" sysctl")
                passing = self.links(label) ^ later.links(label)
                before, after = _without_links(before, passing), _without_links(after, passing)
            changes += [f"- {topic}: {line}" for line in sorted(before - after)]
            changes += [f"+ {topic}: {line}" for line in sorted(after - before)]
        return changes

    def appeared(self, later: State) -> list[str]:
        """What a later picture has in addition; a file with new content is no addition."""
        known = {_path(line) for line in self.lines.get("file", ())}
        return [
            change
            for change in self.diff(later)
            if change.startswith("+ ")
            and not (change.startswith("+ file: ") and _path(change[8:]) in known)
        ]

    def only(self, *topics: str) -> State:
        """The part about some topics: all whose name ends with one of the given words."""
        return State(
            {name: lines for name, lines in self.lines.items() if name.split()[-1] in topics}
        )

    def without(self, *topics: str) -> State:
        """All but some topics."""
        return State(
            {name: lines for name, lines in self.lines.items() if name.split()[-1] not in topics}
        )

    def of(self, namespace: str) -> State:
        """The part about one namespace."""
        return State(
            {name: lines for name, lines in self.lines.items() if name.startswith(namespace + " ")}
        )

    def of_host(self) -> State:
        """The part about the host: its namespace, and the file system."""
        own = ("host ", "file", "namespace", "process")
        return State({name: lines for name, lines in self.lines.items() if name.startswith(own)})

    def links(self, label: str) -> set[str]:
        """The names of the links of one namespace."""
        return {line.split()[0] for line in self.lines.get(f"{label} link", ())}

    def __iter__(self) -> Iterator[str]:
        for topic, lines in self.lines.items():
            for line in sorted(lines):
                yield f"{topic}: {line}"


@define
class Observer:
    """Takes pictures inside a sandbox.

    Attributes:
        sandbox: Where files appear.
        ignored: Paths of the harness.
    """

    sandbox: Sandbox
    ignored: set[str] = field(factory=set)

    def observe(self, containers: Mapping[str, str]) -> State:
        """Take a picture.

        Args:
            containers: Network namespaces to look into besides the host's: a label, and the path.
        """
        lines: dict[str, frozenset[str]] = {}
        lines.update(_of_namespace("host"))
        for label, path in containers.items():
            if not _is_netns(path):
                continue
            with _kernel.inside_netns(path):
                lines.update(_of_namespace(label))
        lines["file"] = frozenset(_files.files(self.sandbox.written, self.ignored))
        lines["namespace"] = frozenset(_files.namespaces(self.ignored))
        lines["process"] = frozenset(_processes.left_behind())
        return State(lines)


def _path(line: str) -> str:
    return line.partition(" ")[0]


def _without_links(sysctls: frozenset[str], links: set[str]) -> frozenset[str]:
    """Sysctls but those that came or went with a link."""
    if not links:
        return sysctls
    own = tuple(f"net.{family}.conf.{link}." for family in ("ipv4", "ipv6") for link in links)
    return frozenset(line for line in sysctls if not line.startswith(own))


def not_observed() -> dict[str, str]:
    """Parts of the state that cannot be seen on this machine, and why."""
    missing: dict[str, str] = {}
    if shutil.which("nft") is None:
        missing["firewall"] = "nft(8) is not installed"
    return missing


def _of_namespace(label: str) -> dict[str, frozenset[str]]:
    topics = {
        **_links.of_this_namespace(),
        "firewall": _filtering.rules(),
        "sysctl": _sysctls.values(),
        "socket": _sockets.listening(),
    }
    return {f"{label} {topic}": frozenset(lines) for topic, lines in topics.items()}


def _is_netns(path: str) -> bool:
    try:
        return os.stat(path).st_dev == os.stat("/proc/self/ns/net").st_dev
    except OSError:
        return False
