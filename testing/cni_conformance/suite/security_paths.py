"""What an attacker who controls names or links must not get out of a plugin: files and programs elsewhere."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from typing import Any

import attrs

from cni_conformance._case import case
from cni_conformance._delegate import FAKE_IPAM
from cni_conformance._leftovers import STATE_DIRECTORIES, content_of, file_path, new_files, warm_up
from cni_conformance._testbed import BASE, Attachment, Testbed
from cni_conformance._versions import has_command
from cni_conformance.state import State


Json = dict[str, Any]

_VICTIM = "victim"


_CANARY = "/var/lib/conformance-canary"


# Too wide to call them a plugin's own.
_SHARED = frozenset({"/", "/run", "/var", "/var/run", "/var/lib", "/etc", "/etc/cni", "/tmp"})


@case("sec/path/1")
def names_do_not_lead_elsewhere(testbed: Testbed) -> None:
    """Names with `..` and `/` change no file outside the plugin's own directories."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    roots, patterns = _own_places(testbed)
    _plant_victims(roots, patterns)
    attachment = testbed.attached("good")  # a DEL or GC gone astray has something to find
    climbing = [f"{'../' * depth}{_VICTIM}" for depth in (1, 2)]
    evil = [*climbing, f"{'../' * 8}tmp/{_VICTIM}", f"/tmp/{_VICTIM}", "..", "a/b"]
    for field in ("CNI_CONTAINERID", "name", "CNI_IFNAME"):
        before = testbed.observe().only("file")
        for value in evil[::2] if field == "CNI_IFNAME" else evil:
            _call_with(testbed, attachment, field, value)
        astray = _astray(before, testbed.observe().only("file"), roots)
        testbed.expect(
            "sec/path/1",
            not astray,
            expected=f"calls with `..` and `/` in {field} change no file outside {_listed(roots)}",
            actual=f"{len(astray)} differences, see the list",
            diff=astray,
        )


def _call_with(testbed: Testbed, good: Attachment, field: str, value: str) -> None:
    """ADD and DEL, and GC, with one value that is evil."""
    changes: Json = {"patch": {"name": value}} if field == "name" else {"env": {field: value}}
    fresh = attrs.evolve(good, container_id="conformance-evil", result=None)
    if testbed.kind != "chained" and field != "CNI_IFNAME":
        fresh = attrs.evolve(fresh, ifname="evil0" if good.ifname != "lo" else "lo")
    for command in ("ADD", "DEL"):
        testbed.call(command, fresh, **changes)
    if has_command(testbed.version, "GC") and field == "name" and value != "a/b":
        testbed.gc(patch={"name": value})


def _own_places(testbed: Testbed) -> tuple[list[str], list[str]]:
    """The directories the plugin keeps its state in, and how it names a container's files."""
    before = testbed.observe()
    attachment = testbed.attached("learn")
    paths = new_files(before, testbed.observe())
    if not attachment.delete().ok:
        testbed.block("needs a DEL that succeeds")
    names = (attachment.container_id, testbed.configuration.network)
    roots = {_root_of(path, names) for path in paths}
    files = {posixpath.basename(path) for path in paths if attachment.container_id in path}
    patterns = {name.replace(attachment.container_id, _VICTIM) for name in files} | {_VICTIM}
    return sorted(roots), sorted(patterns)


def _root_of(path: str, names: tuple[str, ...]) -> str:
    """Up to the part that depends on a name; a file in a shared directory stands for itself."""
    parts = path.split("/")
    words = [rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])" for name in names]
    found = (n for n, part in enumerate(parts) if any(re.search(word, part) for word in words))
    at = next(found, None)
    folder = "/".join(parts[:at]) if at else _own_top(path)
    return path if folder in _SHARED else folder


def _own_top(path: str) -> str:
    """The topmost directory that is not shared: names below it may be digests of names."""
    folder = posixpath.dirname(path)
    while folder not in _SHARED and posixpath.dirname(folder) not in _SHARED:
        folder = posixpath.dirname(folder)
    return folder


def _plant_victims(roots: list[str], patterns: list[str]) -> None:
    """Files that a name with enough dots would name."""
    folders = {"/tmp", "/var/lib", "/run"}
    for root in roots:
        folder = posixpath.dirname(root)
        while folder not in {"/", "/var", "/run", "/etc"}:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    for folder in folders:
        for name in patterns:
            os.makedirs(folder, exist_ok=True)
            with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                file.write("a file that is not the plugin's\n")


def _astray(before: State, after: State, roots: list[str]) -> list[str]:
    own = tuple(f"{root}/" for root in roots)
    return [
        line
        for line in before.diff(after)
        if not file_path(line).startswith(own)
        and file_path(line) not in roots
        and not (file_path(line).endswith("/") and any(o.startswith(file_path(line)) for o in own))
    ]


def _listed(roots: list[str]) -> str:
    return ", ".join(roots) or "the plugin's state directories, of which it has none"


@case("sec/path/2", delegating=True)
def delegates_come_from_cni_path(testbed: Testbed) -> None:
    """A delegate's type that is a path runs nothing outside CNI_PATH."""
    testbed.use_fake_ipam()
    attachment = testbed.attached("plain")
    outside, witness = f"{BASE}/outside", f"{BASE}/witness"
    os.makedirs(outside)
    with open(f"{outside}/evil", "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\n: >{witness}\nexec {testbed.delegate.bin}/{FAKE_IPAM}\n")
    os.chmod(f"{outside}/evil", 0o755)
    spellings = (f"{outside}/evil", "../outside/evil", "./../outside/evil", f"..{outside}/evil")
    key = testbed.profile.delegate
    section = testbed.configuration.plugin.get(key)
    section = section if isinstance(section, dict) else {}
    for number, spelling in enumerate((*spellings, outside.removeprefix("/") + "/evil")):
        patch = {key: {**section, "type": spelling}}
        fresh = testbed.attachment(f"path{number}")
        for run in (fresh.add, *([] if number else [attachment.check, attachment.delete])):
            call = run(patch=patch)
            testbed.require(
                "sec/path/2",
                not os.path.exists(witness),
                expected=f"{call.command} with {key}.type {spelling!r} does not run {outside}/evil",
                actual=f"the program ran; {call.describe()}",
            )
    environment = testbed.environment("ADD")
    elsewhere = {
        "which is in PATH alone": {"PATH": os.pathsep.join([outside, environment["PATH"]])},
        "the current directory: an empty element of CNI_PATH does not stand for it": {
            "CNI_PATH": os.pathsep.join(["", environment["CNI_PATH"], ""])
        },
    }
    testbed.note("setup", f"go to {outside}", ["cd", outside])
    for number, (what, env) in enumerate(elsewhere.items()):
        fresh = testbed.attachment(f"elsewhere{number}")
        call = fresh.add(patch=testbed.with_delegate("evil"), env=env, cwd=outside)
        testbed.expect(
            "sec/path/2",
            not os.path.exists(witness),
            expected=f"ADD with {key}.type 'evil' does not run the one in {outside}, {what}",
            actual=f"the program ran; {call.describe()}",
        )


@case("sec/path/3")
def planted_links_are_not_followed(testbed: Testbed) -> None:
    """Symbolic links in the place of state files and directories are not followed."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    fresh = testbed.observe()
    warm_up(testbed)
    attachment = testbed.attached("linked")
    paths = [each for each in new_files(fresh, testbed.observe()) if _is_state(each)]
    if not paths:
        testbed.not_applicable("ADD makes no files in /var/lib, /run and /etc/cni")
    testbed.command("mkdir", _CANARY)
    own = [path for path in paths if _speaks_of(path, attachment)]
    shared = [path for path in paths if path not in own]
    _expect_files_spared(testbed, attachment, own, "DEL")
    _expect_files_spared(testbed, attachment, own, "ADD")
    attachment.delete()
    _expect_files_spared(testbed, testbed.attachment("shared"), shared, "ADD")
    network = testbed.configuration.network
    folders = {posixpath.dirname(path) for path in paths}
    of_network = sorted(each for each in folders if network in posixpath.basename(each))
    for number, folder in enumerate(of_network):
        _expect_folder_spared(testbed, folder, number)


def _is_state(path: str) -> bool:
    return path.startswith(STATE_DIRECTORIES)


def _speaks_of(path: str, attachment: Attachment) -> bool:
    if attachment.container_id in path:
        return True
    with open(path, "rb") as file:
        return attachment.container_id.encode() in file.read(1_000_000)


def _expect_files_spared(
    testbed: Testbed, attachment: Attachment, paths: list[str], command: str
) -> None:
    """Put links to canaries, which hold what the files held, in their places, and call."""
    canaries: dict[str, bytes] = {}
    for number, path in enumerate(paths):
        canary = f"{_CANARY}/{command}-{number}"
        if os.path.isfile(path) and not os.path.islink(path):
            testbed.command("cp", path, canary)
        else:
            testbed.shell('echo "a file that is not the plugin\'s" >$CANARY', CANARY=canary)
        os.makedirs(posixpath.dirname(path), exist_ok=True)
        testbed.command("ln", "-sfT", canary, path)
        with open(canary, "rb") as file:
            canaries[canary] = file.read()
    call = testbed.call(command, attachment)
    for (canary, content), path in zip(canaries.items(), paths, strict=True):
        now = content_of(canary)
        testbed.expect(
            "sec/path/3",
            now == content,
            expected=f"{command} leaves alone what {path}, a planted symbolic link, points to",
            actual=f"its content was {content[:200]!r} and is {now and now[:200]!r}; {call.describe()}",
        )
        if os.path.islink(path):
            os.unlink(path)


def _expect_folder_spared(testbed: Testbed, folder: str, number: int) -> None:
    """Put a link to a canary directory in the place of the network's directory."""
    attachment = testbed.attached(f"folder{number}")
    canary = f"{_CANARY}/folder{number}"
    shutil.move(folder, canary)
    testbed.note("setup", f"{folder} becomes {canary}", ["mv", folder, canary])
    testbed.command("ln", "-s", canary, folder)
    held = _tree(canary)
    for call in (attachment.delete(), testbed.attachment(f"late{number}").add()):
        now = _tree(canary)
        testbed.expect(
            "sec/path/3",
            now == held,
            expected=f"{call.command} changes nothing where {folder}, a planted symbolic link, leads",
            actual=f"files there were {', '.join(held)} and are {', '.join(now)}",
        )
    if os.path.islink(folder):
        os.unlink(folder)
        shutil.move(canary, folder)


def _tree(folder: str) -> list[str]:
    entries = [(each.name, each.stat(follow_symlinks=False).st_size) for each in os.scandir(folder)]
    return sorted(f"{name} ({size} bytes)" for name, size in entries)
