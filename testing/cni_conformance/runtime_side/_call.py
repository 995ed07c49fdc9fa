"""Calls as the recorder wrote them down, in order, and what they have in common."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from attrs import field, frozen


Json = dict[str, Any]
Attachment = tuple[str, str, str]
"""Network, container id, interface name."""

WITH_ATTACHMENT = ("ADD", "DEL", "CHECK")


@frozen(kw_only=True)
class Call:
    """One call of a recording plugin.

    Attributes:
        number: Its place among all calls, from 1.
        plugin: The name of the executable.
        command: CNI_COMMAND.
        env: Its environment.
        stdin: What it read.
        stdin_closed: Whether the end of standard input came.
        started: When, in nanoseconds of the monotonic clock.
        ended: The same; None when it was ended by somebody else.
        pid: Its process.
        parent: The process that called.
        netns: The inode of the network namespace it ran in.
        parent_netns: That of the process that called; None when that could not be seen.
        target: What CNI_NETNS names: `exists`, `is_netns`, `inode`; None where it could not be seen.
        in_path: Whether a directory of CNI_PATH has this executable.
        descriptors: Its open descriptors and what they stand for.
        answer: What it wrote to standard output.
        exit_code: Its exit status; None when it was ended by somebody else.
    """

    number: int = 0
    plugin: str
    command: str
    env: dict[str, str] = field(factory=dict)
    stdin: str = ""
    stdin_closed: bool = True
    started: int = 0
    ended: int | None = None
    pid: int = 0
    parent: int = 0
    netns: int | None = None
    parent_netns: int | None = None
    target: Json = field(factory=dict)
    in_path: bool = True
    descriptors: dict[str, str] = field(factory=dict)
    answer: str = ""
    exit_code: int | None = None

    @property
    def request(self) -> Json | None:
        """The request configuration; None when standard input holds no JSON object."""
        return _object(self.stdin)

    @property
    def result(self) -> Json | None:
        """The result it answered ADD with."""
        return _object(self.answer) if self.command == "ADD" and self.succeeded else None

    @property
    def succeeded(self) -> bool:
        """Whether it told the runtime of success."""
        return self.exit_code == 0

    @property
    def container(self) -> str:
        """CNI_CONTAINERID."""
        return self.env.get("CNI_CONTAINERID", "")

    @property
    def ifname(self) -> str:
        """CNI_IFNAME."""
        return self.env.get("CNI_IFNAME", "")

    @property
    def title(self) -> str:
        """Such as `ADD c1 eth0 (conformance-first)`."""
        words = [self.command or "no command", self.container, self.ifname, f"({self.plugin})"]
        return " ".join(filter(None, words))

    def overlaps(self, other: Call) -> bool:
        """Whether both ran at the same time, at least for a moment."""
        return self.started < (other.ended or other.started) and other.started < (
            self.ended or self.started
        )


def read(directory: str) -> list[Call]:
    """The calls in a directory of records, in the order in which they began."""
    rows: list[Json] = []
    for name in os.listdir(directory):
        if name.endswith(".json") and name != "script.json":
            with open(os.path.join(directory, name), encoding="ascii") as file:
                rows.append(json.load(file))
    rows.sort(key=lambda row: row["started"])
    return [Call(number=number, **row) for number, row in enumerate(rows, start=1)]


@frozen
class Operation:
    """One of the runtime's operations over a network: the calls of its plugins.

    Attributes:
        command: ADD, DEL, CHECK, GC or STATUS.
        attachment: Of what; container id and interface name are empty for GC and STATUS.
        calls: In the order in which they began.
        alone: Whether it is known which calls belong to it: no two for this attachment ran at the same
            time, in the whole recording, and none failed in a list that has a plugin twice.
    """

    command: str
    attachment: Attachment
    calls: list[Call]
    alone: bool = True

    @property
    def container(self) -> str:
        """The container id."""
        return self.attachment[1]

    @property
    def succeeded(self) -> bool:
        """Whether every call in it did."""
        return all(call.succeeded for call in self.calls)

    @property
    def result(self) -> Json | None:
        """The result of its last call."""
        return self.calls[-1].result

    @property
    def started(self) -> int:
        """When its first call began."""
        return self.calls[0].started

    @property
    def ended(self) -> int:
        """When its last call ended."""
        return max(call.ended or call.started for call in self.calls)

    def overlaps(self, other: Operation) -> bool:
        """Whether one began before the other had ended."""
        return self.started < other.ended and other.started < self.ended


def operations_of(
    calls: Iterable[tuple[Attachment, Call]], times: Mapping[str, int]
) -> list[Operation]:
    """Put calls together to operations.

    A new one begins where the command changes, or a plugin is called more often than the list has it.
    """
    open_ones: dict[tuple[Attachment, str], list[Call]] = {}
    groups: list[tuple[Attachment, list[Call]]] = []
    for attachment, call in calls:
        # GC and STATUS of a network may take turns; operations on an attachment may not.
        key = attachment, "" if call.command in WITH_ATTACHMENT else call.command
        current = open_ones.get(key)
        if current is None or not _continues(current, call, times):
            current = open_ones[key] = []
            groups.append((attachment, current))
        current.append(call)
    tangled, unclear = _tangled(groups), _unclear(groups, times)
    return [
        Operation(
            group[0].command,
            attachment,
            group,
            alone=(attachment, group[0].command) not in tangled | unclear,
        )
        for attachment, group in groups
    ]


def _unclear(
    groups: list[tuple[Attachment, list[Call]]], times: Mapping[str, int]
) -> set[tuple[Attachment, str]]:
    """Where a plugin in the list twice was called after a failure: on it goes, or that is the next attempt."""
    if max(times.values(), default=1) == 1:
        return set()
    return {
        (attachment, call.command)
        for attachment, group in groups
        for call in group
        if not call.succeeded
    }


def _continues(current: list[Call], call: Call, times: Mapping[str, int]) -> bool:
    already = sum(each.plugin == call.plugin for each in current)
    return current[0].command == call.command and already < times.get(call.plugin, 1)


def _tangled(groups: list[tuple[Attachment, list[Call]]]) -> set[tuple[Attachment, str]]:
    """The attachments for which two calls ran at the same time, with the commands of these calls."""
    last: dict[tuple[Attachment, str], Call] = {}
    found: set[tuple[Attachment, str]] = set()
    ordered = [(call, attachment) for attachment, group in groups for call in group]
    for call, attachment in sorted(ordered, key=lambda each: each[0].started):
        commands = WITH_ATTACHMENT if call.command in WITH_ATTACHMENT else (call.command,)
        before = last.get((attachment, commands[0]))
        if before is not None and before.overlaps(call):
            found.update((attachment, command) for command in commands)
        last[attachment, commands[0]] = call
    return found


def pairs(operations: list[Operation]) -> Iterator[tuple[Operation, Operation]]:
    """Every two of them, the earlier one first."""
    ordered = sorted(operations, key=lambda each: each.started)
    for number, first in enumerate(ordered):
        for second in ordered[number + 1 :]:
            yield first, second


def _object(text: str) -> Json | None:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("Json", value) if isinstance(value, dict) else None
