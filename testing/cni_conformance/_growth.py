"""What a call of an IPAM plugin costs when 10, 100, 1,000 and 10,000 addresses are reserved.

The plugin reserves them itself as long as time allows. A plugin that keeps a file for each address gets
the rest as copies of the files its last ADD made, with another address and another container.
"""

from __future__ import annotations

import copy
import ipaddress
import os
import statistics
import time
from typing import Any

from attrs import define, field
from rich.table import Table

from cni_conformance import _results
from cni_conformance._case import Blocked
from cni_conformance._invocation import Invocation
from cni_conformance._profile import Configuration
from cni_conformance._testbed import Attachment, Testbed
from cni_conformance._versions import has_command


Json = dict[str, Any]

SIZES = (10, 100, 1000, 10000)
_ROOMY = "10.240.0.0/15"
_BUDGET = 120.0
_ROUNDS = 7


def measure(testbed: Testbed, budget: float = _BUDGET) -> Json:
    """Fill the pool step by step, and time calls at each size.

    Args:
        testbed: With an IPAM plugin.
        budget: Seconds for reserving addresses.
    """
    pool = _Pool(testbed=testbed, attachment=testbed.attachment("pool"), budget=budget)
    rows: list[Json] = []
    try:
        pool.make_room()
        for size in SIZES:
            if not pool.fill(size):
                break
            rows.append(_sizes_row(pool))
    except Blocked as reason:
        pool.notes.append(str(reason))
    if pool.copied:
        pool.notes.append(f"{pool.copied} reservations are copies of the files one ADD made")
    return {"growth": rows, "notes": pool.notes}


def table(rows: list[Json]) -> Table:
    """The rows for a terminal."""
    made = Table(title="With so many addresses reserved: median ms")
    for column in ("reservations", "ADD", "CHECK", "DEL", "GC", "made by"):
        made.add_column(column, justify="right")
    for row in rows:
        times = [row["ms"].get(verb) for verb in ("ADD", "CHECK", "DEL", "GC")]
        made.add_row(
            str(row["reservations"]),
            *("-" if each is None else f"{each:.1f}" for each in times),
            "the plugin" if not row["copied"] else f"{row['copied']} copied",
        )
    return made


@define(kw_only=True)
class _Pool:
    """The reservations of one network."""

    testbed: Testbed
    attachment: Attachment
    budget: float
    owners: list[str] = field(factory=list)
    copied: int = 0
    notes: list[str] = field(factory=list)
    spent: float = 0.0
    given: set[str] = field(factory=set)

    def call(self, command: str, owner: str, previous: Json | None = None) -> Invocation:
        """Call the plugin for a container, without a line in the transcript."""
        patch = {"prevResult": previous} if previous else {}
        env: dict[str, str | None] = {"CNI_CONTAINERID": owner}
        return self.testbed.start(command, self.attachment, patch=patch, env=env).finish()

    def make_room(self) -> None:
        """Use a subnet with room for 10,000, where the configuration names one at a known place."""
        testbed, kept = self.testbed, self.testbed.configuration
        plugin = copy.deepcopy(kept.plugin)
        section = plugin.get("ipam")
        if isinstance(section, dict) and ("subnet" in section or "ranges" in section):
            for key in ("subnet", "rangeStart", "rangeEnd", "gateway", "ranges"):
                section.pop(key, None)
            section["ranges"] = [[{"subnet": _ROOMY}]]
            testbed.configuration = Configuration(
                name=kept.name, plugin=plugin, network=kept.network, args=kept.args
            )
            call = self.call("ADD", "room")
            if call.ok and _results.addresses(call.result):
                self.call("DEL", "room", call.result)
                self.notes.append(f"growth was measured with the subnet {_ROOMY}")
                return
            testbed.configuration = kept

    def fill(self, size: int) -> bool:
        """Reserve until there are so many; false when that is not possible."""
        begin = time.monotonic()
        while len(self.owners) < size:
            took = self.spent + time.monotonic() - begin
            per_call = took / (len(self.owners) or 1)
            if (
                len(self.owners) >= 100
                and took + per_call * (size - len(self.owners)) > self.budget
            ):
                return self._copy_up_to(size)
            owner = f"pool-{len(self.owners)}"
            call = self.call("ADD", owner)
            got = _results.addresses(call.result) if call.ok else []
            if not got:
                self.notes.append(
                    f"growth ended at {len(self.owners)} reservations: {call.describe()}"
                )
                return False
            if self.given & set(got):
                self.notes.append("growth was not measured: the plugin gives out fixed addresses")
                return False
            self.given.update(got)
            self.owners.append(owner)
        self.spent += time.monotonic() - begin
        return True

    def _copy_up_to(self, size: int) -> bool:
        before = self.testbed.observe().only("file")
        owner = f"pool-{len(self.owners)}"
        call = self.call("ADD", owner)
        got = [each.partition("/")[0] for each in _results.addresses(call.result)]
        diff = before.diff(self.testbed.observe().only("file"))
        paths = [line.removeprefix("+ file: ").split(" ")[0] for line in diff if line[0] == "+"]
        files = [path for path in paths if not path.endswith("/")]
        self.owners.append(owner)
        if not got or not any(got[0] in os.path.basename(path) for path in files):
            self.notes.append(
                f"growth ended at {len(self.owners)} reservations: more would take longer than "
                f"{self.budget:.0f} s, and the plugin keeps no file for each address"
            )
            return False
        templates = [_Template.read(path) for path in files]
        for step in range(1, size - len(self.owners) + 1):
            new = f"pool-{len(self.owners)}"
            changes = {owner: new, **{each: _later(each, step) for each in got}}
            for template in templates:
                template.write(changes)
            self.given.update(changes.values())
            self.owners.append(new)
            self.copied += 1
        return self._is_believed()

    def _is_believed(self) -> bool:
        """Whether the plugin takes the copies for reservations."""
        call = self.call("ADD", "believed")
        got = {each.partition("/")[0] for each in _results.addresses(call.result)}
        self.call("DEL", "believed", call.result)
        if not call.ok or not got or got & self.given:
            self.notes.append(
                "growth ended: the plugin does not take copied files for reservations"
            )
            return False
        return True


@define
class _Template:
    """A file a reservation is kept in."""

    path: str
    mode: int
    content: str
    is_link: bool

    @classmethod
    def read(cls, path: str) -> _Template:
        if os.path.islink(path):
            return cls(path, 0, os.readlink(path), is_link=True)
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return cls(path, os.stat(path).st_mode & 0o7777, file.read(), is_link=False)

    def write(self, changes: dict[str, str]) -> None:
        path, content = self.path, self.content
        for old, new in changes.items():
            path, content = path.replace(old, new), content.replace(old, new)
        if self.is_link:
            os.symlink(content, path)
            return
        with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(content)
        os.chmod(path, self.mode)


def _later(address: str, step: int) -> str:
    return str(ipaddress.ip_address(address) + step)


def _sizes_row(pool: _Pool) -> Json:
    times: dict[str, list[float]] = {}
    for number in range(_ROUNDS):
        owner = f"sample-{len(pool.owners)}-{number}"
        calls = [pool.call("ADD", owner)]
        result = calls[0].result
        if not calls[0].ok:
            raise Blocked(f"growth ended at {len(pool.owners)} reservations: {calls[0].describe()}")
        if has_command(pool.testbed.version, "CHECK"):
            calls.append(pool.call("CHECK", owner, result))
        calls.append(pool.call("DEL", owner, result))
        for call in calls:
            times.setdefault(call.command, []).append(call.seconds)
    if has_command(pool.testbed.version, "GC"):
        times["GC"] = [_collection(pool).seconds for _ in range(3)]
    return {
        "reservations": len(pool.owners),
        "copied": pool.copied,
        "ms": {verb: round(statistics.median(each) * 1000, 3) for verb, each in times.items()},
    }


def _collection(pool: _Pool) -> Invocation:
    """GC with all of them valid."""
    ifname = pool.attachment.ifname
    valid = [{"containerID": owner, "ifname": ifname} for owner in pool.owners]
    patch = {"cni.dev/valid-attachments": valid}
    return pool.testbed.start("GC", patch=patch).finish()
