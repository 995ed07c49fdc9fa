"""What calls have left behind or taken away, apart from what attachments share on purpose."""

from __future__ import annotations

import posixpath

from cni_conformance._testbed import Attachment, Testbed
from cni_conformance._versions import has_command
from cni_conformance.state import State


STATE_DIRECTORIES = ("/run", "/var/run", "/var/lib", "/etc/cni")


def warm_up(testbed: Testbed) -> None:
    """Add and delete once, so that what attachments share (a bridge, chains, locks) exists.

    Raises:
        Blocked: One of the two fails, which is another case's finding.
    """
    call = testbed.attached("warm").delete()
    if not call.ok:
        testbed.block(f"needs a DEL that succeeds; {call.describe()}")


def check_works(testbed: Testbed) -> bool:
    """Whether CHECK exists and succeeds after an ordinary ADD; where not, another case finds that.

    Raises:
        Blocked: ADD or DEL fails.
    """
    attachment = testbed.attached("checked")
    works = has_command(testbed.version, "CHECK") and attachment.check().ok
    call = attachment.delete()
    if not call.ok:
        testbed.block(f"needs a DEL that succeeds; {call.describe()}")
    return works


def leftovers(testbed: Testbed, before: State, after: State) -> list[str]:
    """What differs, but for what a plugin may keep: shared files, empty directories, locks."""
    known = _files(before)
    return [
        line
        for line in differences(before, after)
        if not (testbed.kind == "chained" and _goes_with_its_link(line, before))
        and not (
            (line.startswith("+ file: ") and (file_path(line) in known or _may_stay(line)))
            or (line.startswith("- file: ") and _may_stay(line))
            or (line.startswith("- file: ") and file_path(line) in _files(after))
        )
    ]


def lost(before: State, after: State) -> list[str]:
    """What an attachment had and has no longer; files count when they are gone altogether."""
    there = _files(after)
    return [
        line
        for line in differences(before, after)
        if line.startswith("- ")
        and not (line.startswith("- file: ") and (file_path(line) in there or _may_stay(line)))
    ]


def differences(before: State, after: State) -> list[str]:
    """What differs, but for the address that a bridge takes from its ports."""
    return settled(before).diff(settled(after))


def file_path(line: str) -> str:
    """The path in a line of a difference about a file; a directory's ends with a slash."""
    return line[len("+ file: ") :].partition(" ")[0]


def new_files(before: State, after: State) -> list[str]:
    """The paths of regular files that a later picture has in addition."""
    lines = before.only("file").appeared(after.only("file"))
    paths = [(file_path(line), line.split()[3]) for line in lines]
    return [path for path, mode in paths if mode.startswith("-")]


def mentions(testbed: Testbed, attachment: Attachment) -> list[str]:
    """The files, but for logs, that hold the container's id: what one file for all keeps of it."""
    own = attachment.container_id.encode()
    paths = [line.partition(" ")[0] for line in testbed.observe().lines.get("file", ())]
    return sorted(
        path
        for path in paths
        if not path.endswith((".log", "/"))
        and not path.startswith("/var/log/")
        and own in (content_of(path) or b"")
    )


def content_of(path: str) -> bytes | None:
    """What a file holds; None when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _goes_with_its_link(line: str, before: State) -> bool:
    """Whether a line is about a setting of a link that the plugin that made the link takes away."""
    label, _, rest = line[2:].partition(" ")
    topic, _, rest = rest.partition(": ")
    links = {each.split()[0] for each in before.lines.get(f"{label} link", ())} - {"lo"}
    if topic == "sysctl":
        return any(f".conf.{link}." in rest for link in links)
    if topic == "route":
        return any(f" dev {link}" in rest for link in links)
    return topic in {"qdisc", "filter"} and rest.split()[0] in links


def _files(state: State) -> set[str]:
    return {line.partition(" ")[0] for line in state.lines.get("file", ())}


def _may_stay(line: str) -> bool:
    path = file_path(line)
    name = posixpath.basename(path)
    return (
        path.endswith("/")
        or name.startswith(("lock", "last_reserved_ip", "."))
        or name.endswith((".lock", ".log"))
        or path.startswith("/var/log/")
    )


def settled(state: State) -> State:
    """A picture without the addresses that bridges take from their ports."""
    lines = dict(state.lines)
    for topic, found in state.lines.items():
        if topic.endswith(" link"):
            lines[topic] = frozenset(_without_mac(line) for line in found)
    return State(lines)


def _without_mac(line: str) -> str:
    words = line.split()
    if words[1:2] != ["bridge"] or "mac" not in words:
        return line
    at = words.index("mac")
    return " ".join([*words[:at], *words[at + 2 :]])
