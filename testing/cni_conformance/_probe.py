"""The first calls of a run: which versions the plugin has, what kind it is, whether it delegates."""

from __future__ import annotations

from typing import Any

from cni_conformance import _results
from cni_conformance._case import Blocked, NotApplicable
from cni_conformance._delegate import FAKE_IPAM
from cni_conformance._facts import Facts
from cni_conformance._invocation import Invocation
from cni_conformance._profile import Configuration
from cni_conformance._testbed import Testbed
from cni_conformance._versions import NEWEST, known


LIMIT_OF_ONE_THAT_HANGS = 2.0
"""Seconds for a call of a plugin whose ADD does not end, so that a run does not take an hour."""


def probe(testbed: Testbed) -> Facts:
    """Find out about a plugin by calling it."""
    versions, says = _versions(testbed)
    testbed.version = versions[-1]
    kind = testbed.kind or _kind(testbed)
    testbed.kind = kind
    problem = ""
    if testbed.profile.configurations:
        try:
            call = _add(testbed, "probe")
            problem = "" if call.ok and call.result else call.describe()
        except Blocked as blocked:
            problem = str(blocked)
    return Facts(
        kind=kind,
        versions=versions,
        says_versions=says,
        delegates=_delegates(testbed),
        journals=_journals(testbed),
        problem=problem,
        hangs=testbed.limit == LIMIT_OF_ONE_THAT_HANGS,
    )


def _add(testbed: Testbed, label: str) -> Invocation:
    """Call ADD; when it does not end, nothing is waited for that long again."""
    call = testbed.attachment(label).add()
    if call.ended_by == "timeout":
        testbed.limit = LIMIT_OF_ONE_THAT_HANGS
    return call


def _versions(testbed: Testbed) -> tuple[tuple[str, ...], bool]:
    call = testbed.call("VERSION", stdin=b'{"cniVersion": "%s"}' % NEWEST.encode())
    said: Any = call.result.get("supportedVersions")
    if isinstance(said, list) and known(said):
        return known(said), True
    wanted = testbed.configuration.plugin.get("cniVersion")
    return (wanted,) if wanted else (NEWEST,), False


def _kind(testbed: Testbed) -> str:
    """Take the kind from what ADD answers, the least demanding question first."""
    plugin = testbed.configuration.plugin
    section = plugin.get("ipam")
    own = testbed.plugin.rpartition("/")[2]
    if isinstance(section, dict) and own == section.get("type"):
        return "ipam"
    if testbed.configuration.before:
        return "chained"
    if isinstance(plugin.get("delegate"), dict):
        return "meta"
    testbed.kind = "interface"
    call = _add(testbed, "kind")
    if call.ok:
        has_interfaces = _results.interfaces(call.result)
        if has_interfaces or not _results.addresses(call.result):
            return "interface"
        return "ipam" if "interfaces" not in call.result else "interface"
    testbed.kind = "chained"
    try:
        if _add(testbed, "chain").ok:
            return "chained"
    except Blocked:
        pass
    return "interface"


def _journals(testbed: Testbed) -> tuple[str, ...]:
    """Where calls that do nothing write each time: not state of an attachment.

    These are directories that gain a file, and files that change.
    """
    grown: list[set[str]] = []
    for number in range(3):
        before = testbed.observe().only("file")
        try:
            testbed.attachment(f"unknown{number}").delete()
        except Blocked:
            return ()
        after = testbed.observe().only("file")
        known = {line.partition(" ")[0] for line in before.lines["file"]}
        written = {line.partition(" ")[0] for line in after.lines["file"] - before.lines["file"]}
        grown.append(
            {
                path if path in known else path.rpartition("/")[0]
                for path in written
                if not path.endswith("/")
            }
        )
    return tuple(sorted(set.intersection(*grown[1:]) - {"/run/netns"}))


def _delegates(testbed: Testbed) -> bool:
    key = testbed.profile.delegate
    if not key or testbed.kind not in {"interface", "meta"}:
        return False
    kept = testbed.configuration
    try:
        testbed.use_fake_ipam()
        testbed.delegate.install(FAKE_IPAM, makes_interface=testbed.kind == "meta")
        testbed.delegate.forget_calls()
        testbed.attachment("delegation").add()
    except (Blocked, NotApplicable):
        return False
    finally:
        testbed.configuration = kept
    return "ADD" in testbed.delegate.commands()


def delegate_key(configuration: Configuration) -> str:
    """The key of a configuration whose object names a delegate."""
    for key in ("ipam", "delegate"):
        section = configuration.plugin.get(key)
        if isinstance(section, dict) and section.get("type"):
            return key
    return ""
