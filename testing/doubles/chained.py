#!/usr/bin/env python3
"""A correct chained plugin: sets the interface's MTU, and has a rule on the host for each container."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from typing import ClassVar

from _cni import EXISTS, INVALID, NOT_AS_EXPECTED, CniError, Json, digest
from _filtering import Filtering
from _results import is_mtu, objects


class Chained(Filtering):
    prefix = "double_"
    chains: ClassVar[dict[str, str]] = {"forward": "type filter hook forward priority 0"}
    directory = "/var/lib/cni/double-chained"

    def validate(self) -> None:
        if not is_mtu(self.mtu):
            raise CniError(INVALID, "invalid network config: mtu is not an MTU")
        if self.command != "STATUS":
            self.previous()

    @property
    def mtu(self) -> int:
        return self.config.get("mtu", 1400)

    # -- what is remembered ----------------------------------------------------------------------

    @contextlib.contextmanager
    def locked_directory(self, *, make: bool = False) -> Iterator[int | None]:
        """The directory of what is remembered, or None when there is none."""
        with self.lock():
            try:
                directory = self.open_directory(self.directory, make=make)
            except FileNotFoundError:
                yield None
                return
            try:
                self.sweep(directory)
                yield directory
            finally:
                os.close(directory)

    @property
    def file(self) -> str:
        return digest(f"{self.network}/{self.containerid}/{self.ifname}")[:32]

    def remember(self, mtu: int) -> None:
        content = {"network": self.network, "owner": self.owner, "mtu": mtu}
        with self.locked_directory(make=True) as directory:
            assert directory is not None
            if self.read_file(directory, self.file):
                raise CniError(EXISTS, f"{self.owner} has been added already")
            self.undo.append(self.forget)
            self.write_file(directory, self.file, content)

    def forget(self) -> Json:
        """Remove what is remembered of this attachment, and give it; it may be broken."""
        with self.locked_directory() as directory:
            if directory is None:
                return {}
            content = self.read_file(directory, self.file) or {}
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.file, dir_fd=directory)
            return content

    # -- the commands ----------------------------------------------------------------------------

    def add(self) -> Json | None:
        netns = self.open_netns()
        try:
            before = self.mtu_in(netns)
            self.remember(before)
            self.undo.append(lambda: self.set_mtu(netns, before))
            self.set_mtu(netns, self.mtu)
            self.install_rules()
        except BaseException:
            self.roll_back()
            raise
        return self.result()

    def mtu_in(self, netns: int) -> int:
        return json.loads(self.run("ip", "-j", "link", "show", "dev", self.ifname, netns=netns))[0][
            "mtu"
        ]

    def set_mtu(self, netns: int, mtu: int) -> None:
        self.run("ip", "link", "set", "dev", self.ifname, "mtu", str(mtu), netns=netns)

    def install_rules(self) -> None:
        self.add_rules([("forward", "counter")])

    def result(self) -> Json:
        result: Json = json.loads(json.dumps(self.config["prevResult"]))
        if self.cni_version == "1.1.0":
            for interface in objects(result.get("interfaces")):
                if interface.get("name") == self.ifname and interface.get("sandbox") == self.netns:
                    interface["mtu"] = self.mtu
        return {**result, "cniVersion": self.cni_version}

    def delete(self) -> None:
        self.do_all(self.restore, self.remove_own_rules)

    def restore(self) -> None:
        before = self.forget().get("mtu")
        netns = self.find_netns()
        if netns is not None and is_mtu(before):
            with contextlib.suppress(CniError):  # the interface is gone
                self.set_mtu(netns, before)

    def check(self) -> None:
        previous = self.previous()
        link = self.links(self.open_netns()).get(self.ifname)
        if link is None:
            raise CniError(NOT_AS_EXPECTED, f"{self.ifname} is missing in the container")
        self.check_mtu(link, self.expected_mtu(previous))
        self.check_rules()

    def expected_mtu(self, previous: Json) -> int:
        """A later plugin may have changed it, and said so."""
        for interface in previous["interfaces"]:
            if interface.get("name") == self.ifname and interface.get("sandbox") == self.netns:
                return interface.get("mtu", self.mtu)
        return self.mtu

    def check_mtu(self, link: Json, expected: int) -> None:
        if link["mtu"] != expected:
            raise CniError(NOT_AS_EXPECTED, f"{self.ifname} has the MTU {link['mtu']}")

    def check_rules(self) -> None:
        if not self.own_rules():
            raise CniError(NOT_AS_EXPECTED, f"the rule of {self.owner} is missing")

    def gc(self) -> None:
        valid = self.valid_owners()
        if valid is None:
            return
        self.do_all(
            lambda: self.collect_files(lambda owner: owner not in valid),
            lambda: self.remove_rules(lambda owner: owner not in valid),
        )

    def collect_files(self, is_stale: Callable[[str], bool]) -> None:
        with self.locked_directory() as directory:
            for name in [] if directory is None else os.listdir(directory):
                content = self.read_file(directory, name) or {}
                if content.get("network") == self.network and is_stale(str(content.get("owner"))):
                    os.unlink(name, dir_fd=directory)

    def status(self) -> None:
        self.need("ip", "nsenter", "nft")


if __name__ == "__main__":
    Chained().main()
