"""VERSION: which versions of the specification a plugin supports."""

from __future__ import annotations

import json
from typing import Any

from cni_conformance._case import case
from cni_conformance._testbed import Testbed
from cni_conformance._versions import NEWEST, VERSIONS


_LATER = "1.2.0"
_INCOMPATIBLE = 1


@case("spec/1.1.0/VERSION/1", "spec/1.1.0/version/2", "spec/1.1.0/result/1", "spec/1.1.0/errors/1")
def version_answers(testbed: Testbed) -> None:
    """VERSION prints the versions the plugin supports."""
    call = testbed.call("VERSION", stdin=_input(NEWEST))
    testbed.require(
        "spec/1.1.0/VERSION/1",
        call.stdout.strip(),
        expected="VERSION prints a version result on standard output",
        actual=call,
    )
    testbed.require(
        "spec/1.1.0/errors/1",
        call.ok or "code" in call.result,
        expected="VERSION exits with 0 when it prints a version result",
        actual=call,
    )
    testbed.require(
        "spec/1.1.0/VERSION/1",
        call.ok,
        expected="VERSION succeeds",
        actual=call,
    )
    testbed.require(
        "spec/1.1.0/result/1",
        call.document is not None,
        expected="standard output holds one JSON document and nothing else",
        actual=call,
    )
    versions: Any = call.result.get("supportedVersions")
    listed = isinstance(versions, list) and all(isinstance(each, str) for each in versions)
    testbed.require(
        "spec/1.1.0/version/2",
        listed and versions,
        expected="`supportedVersions` is a list of version strings, with at least one in it",
        actual=f"supportedVersions is {json.dumps(versions)}",
    )
    testbed.expect(
        "spec/1.1.0/version/2",
        any(each in VERSIONS for each in versions),
        expected=f"`supportedVersions` names released versions, such as {NEWEST}",
        actual=f"supportedVersions is {json.dumps(versions)}",
    )


@case("spec/1.1.0/version/1")
def version_echoes_the_version(testbed: Testbed) -> None:
    """The VERSION result carries the cniVersion that was sent, whichever it is."""
    for version in testbed.facts.versions:
        call = testbed.call("VERSION", stdin=_input(version))
        if not call.ok or "supportedVersions" not in call.result:
            testbed.block(f"needs a VERSION that answers; {call.describe()}")
        testbed.expect(
            "spec/1.1.0/version/1",
            call.result.get("cniVersion") == version,
            expected="`cniVersion` of the VERSION result is the cniVersion of the request",
            actual=f"sent {version}, got {json.dumps(call.result.get('cniVersion'))}",
        )


@case("spec/1.1.0/VERSION/1")
def version_answers_newer_runtimes(testbed: Testbed) -> None:
    """VERSION answers a runtime of a later version as well: how else would it learn what to speak."""
    call = testbed.call("VERSION", stdin=_input(NEWEST))
    if not call.ok or "supportedVersions" not in call.result:
        testbed.block(f"needs a VERSION that answers; {call.describe()}")
    call = testbed.call("VERSION", stdin=_input(_LATER))
    testbed.expect(
        "spec/1.1.0/VERSION/1",
        call.ok and "supportedVersions" in call.result,
        expected=f"VERSION prints a version result when it is sent cniVersion {_LATER}",
        actual=call,
    )


@case("spec/1.1.0/version/2", versions="each")
def version_lists_what_works(testbed: Testbed) -> None:
    """A version that `supportedVersions` lists is not refused."""
    if not testbed.facts.says_versions:
        testbed.not_applicable("VERSION does not say which versions there are")
    call = testbed.attachment().add()
    testbed.expect(
        "spec/1.1.0/version/2",
        call.ok or call.code != _INCOMPATIBLE,
        expected=f"ADD takes cniVersion {testbed.version}, which VERSION lists",
        actual=call,
    )


@case("spec/1.1.0/VERSION/2")
def version_needs_the_command_alone(testbed: Testbed) -> None:
    """VERSION works with CNI_COMMAND as the only CNI variable."""
    call = testbed.call("VERSION", stdin=_input(NEWEST), env={"CNI_PATH": None})
    full = testbed.call(
        "VERSION",
        stdin=_input(NEWEST),
        env={
            "CNI_CONTAINERID": "conformance",
            "CNI_NETNS": "/run/netns/none",
            "CNI_IFNAME": "eth0",
        },
    )
    if not full.ok and not call.ok:
        testbed.block(f"needs a VERSION that answers; {full.describe()}")
    testbed.expect(
        "spec/1.1.0/VERSION/2",
        call.ok,
        expected="VERSION succeeds without container id, namespace, interface name and CNI_PATH",
        actual=call,
    )


def _input(version: str) -> bytes:
    return json.dumps({"cniVersion": version}).encode()
