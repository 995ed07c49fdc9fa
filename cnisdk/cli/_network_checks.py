"""The networks of a node: which one is used, what it lacks, what old ones left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final

from cnisdk import errors
from cnisdk.cli._attachments import is_alive
from cnisdk.cli._checks import Check
from cnisdk.cli._json import as_list, as_object
from cnisdk.cli._lint_directory import check_directory, network_files
from cnisdk.cli._node_checks import NAT
from cnisdk.cli._types import Types
from cnisdk.install import reference_plugins
from cnisdk.runtime import Cache, NetworkList, Runtime, load


_SECONDS: Final = 5.0
_LONGEST: Final = 300
_NEEDS: Final = {
    "bandwidth": ("ifb",),
    "bridge": ("bridge", "veth"),
    "dummy": ("dummy",),
    "ipvlan": ("ipvlan",),
    "macvlan": ("macvlan",),
    "portmap": (NAT,),
    "ptp": ("veth",),
    "tap": ("tun",),
    "vlan": ("vlan",),
    "vrf": ("vrf",),
}
"""CNI type -> the kernel features it is built on."""


class Networks:
    """The networks of a configuration directory, in the order of their files.

    Args:
        conf_dir: The directory.
        cni_path: Directories of the plugins, separated by colons.
    """

    def __init__(self, conf_dir: str, cni_path: str) -> None:
        self.conf_dir = conf_dir
        self.cni_path = cni_path
        self.loaded: list[tuple[str, NetworkList | errors.CniError]] = []
        try:
            paths = network_files(conf_dir)
        except OSError:
            paths = []
        for path in paths:
            try:
                self.loaded.append((path, load(path)))
            except errors.CniError as failure:
                self.loaded.append((path, failure))
        self.active = next((each for _, each in self.loaded if isinstance(each, NetworkList)), None)

    def needed_features(self) -> set[str]:
        """The kernel features the active network cannot do without."""
        needed: set[str] = set()
        for plugin in self.active.plugins if self.active else ():
            needed.update(_NEEDS.get(plugin.type, ()))
            if plugin.document.get("ipMasq") is True:
                backend = plugin.document.get("ipMasqBackend")
                needed.add(backend if backend in {"nftables", "iptables"} else NAT)
        return needed

    def check_choice(self) -> Iterator[Check]:
        """Which network container runtimes use, and why."""
        if not self.loaded:
            hint = f"put one there, such as {os.path.join(self.conf_dir, '10-mynet.conflist')}"
            message = f"no *.conflist, *.conf or *.json in {self.conf_dir}"
            yield Check("networks", "active", "warn", message, hint)
        for number, (path, network) in enumerate(self.loaded):
            name = os.path.basename(path)
            if isinstance(network, errors.CniError):
                hint = f"correct it: cnisdk lint {path}; containerd stops at such a file, CRI-O passes over it"
                message = network.msg.removeprefix(f"{path}: ")
                before = self.active is None or number < self._place_of_active()
                yield Check("networks", name, "fail" if before else "warn", message, hint)
            elif network is self.active:
                why = self._reason(number)
                message = f'network "{network.name}" is the one runtimes use: {why}'
                yield Check("networks", name, "ok", message)
            else:
                message = f'network "{network.name}" is used only where it is asked for by name'
                yield Check("networks", name, "info", message)
        yield from self._check_lint()

    def _reason(self, number: int) -> str:
        if len(self.loaded) == 1:
            return "it is the only one"
        if number == 0:
            return "its file is the first by name"
        return "its file is the first by name that can be read"

    def _place_of_active(self) -> int:
        return next(i for i, (_, each) in enumerate(self.loaded) if each is self.active)

    def _check_lint(self) -> Iterator[Check]:
        if not self.loaded:
            return
        sheets = check_directory(self.conf_dir, Types(self.cni_path))
        findings = [finding for sheet in sheets for finding in sheet.findings]
        count = sum(finding.severity == "error" for finding in findings)
        if findings:
            message = f"{len(findings)} finding(s), {count} of them errors"
            yield Check("networks", "lint", "warn", message, f"cnisdk lint {self.conf_dir}")
        else:
            yield Check("networks", "lint", "ok", "no problems")

    def check_plugins(self) -> Iterator[Check]:
        """Whether the plugins of the active network are there and fit."""
        if self.active is None:
            return
        version = self.active.version
        runtime = Runtime(self.cni_path, seconds=_SECONDS, stderr=BytesIO(), warn=lambda _: None)
        for name in self._types():
            try:
                supported = runtime.version(name).supported
            except errors.CniError as failure:
                hint = self._install_hint(name)
                yield Check("plugins", name, "fail", failure.msg, hint)
                continue
            if version in supported:
                yield Check("plugins", name, "ok", f"supports {version}")
            else:
                known = ", ".join(supported)
                hint = f"change cniVersion in {self.active.source} to one of {known}"
                yield Check("plugins", name, "fail", f"does not support cniVersion {version}", hint)
        try:
            runtime.status(self.active)
        except errors.CniError as failure:
            yield Check(
                "plugins", "STATUS", "fail", f"{failure.code}: {failure.msg}", _cut(failure.details)
            )
        else:
            yield Check("plugins", "STATUS", "ok", f'"{self.active.name}" is ready')

    def _install_hint(self, name: str) -> str:
        if Types(self.cni_path).find(name):
            return ""
        target = reference_plugins().get(name)
        return f"cnisdk install {target}" if target else "install it, or correct the search path"

    def _types(self) -> list[str]:
        found: list[Any] = []
        for plugin in self.active.plugins if self.active else ():
            found += [plugin.type, as_object(plugin.document.get("ipam")).get("type")]
        return list(dict.fromkeys(each for each in found if isinstance(each, str) and each))

    def check_leftovers(self, cache_dir: str) -> Iterator[Check]:
        """What attachments that are gone left behind."""
        try:
            entries, damaged = Cache(cache_dir).entries()
        except errors.CniError as failure:
            yield Check("state", "attachments", "warn", failure.msg, failure.details)
            return
        stale: dict[str, int] = {}
        for each in entries:
            if not is_alive(each):
                network = each.attachment.network
                stale[network] = stale.get(network, 0) + 1
        yield Check("state", "attachments", "ok", f"{len(entries)} known")
        for network, count in sorted(stale.items()):
            message = f'{count} of network "{network}" without their network namespace'
            yield Check("state", "stale", "warn", message, f"cnisdk gc {network} --stale")
        for file in damaged:
            yield Check("state", "damaged", "warn", str(file), "remove the file")
        for plugin in self.active.plugins if self.active else ():
            yield from _reservations(self.active.name if self.active else "", plugin.document)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _reservations(network: str, document: Any) -> Iterator[Check]:
    ipam = as_object(as_object(document).get("ipam"))
    if ipam.get("type") != "host-local":
        return
    directory = ipam.get("dataDir") or "/var/lib/cni/networks"
    try:
        names = os.listdir(os.path.join(str(directory), network))
    except OSError:
        names = []
    addresses = [each for each in names if each[:1] in "0123456789abcdef" and set(each) & set(".:")]
    ranges = len(as_list(ipam.get("ranges"))) or 1
    message = f'{len(addresses)} addresses of network "{network}" in {ranges} range set(s)'
    yield Check("state", "reservations", "ok", message)
