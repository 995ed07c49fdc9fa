"""ADD: make an interface, or change one, and say so."""

from __future__ import annotations

import os
import subprocess

import attrs

from cni_conformance import _kernel, _results
from cni_conformance._case import case
from cni_conformance._testbed import BASE, Attachment, Testbed


@case(
    "spec/1.1.0/ADD/2",
    "spec/1.1.0/errors/1",
    "spec/1.1.0/result/1",
    "spec/1.1.0/result/2",
    versions="each",
    configurations="each",
)
def add_answers_with_a_result(testbed: Testbed) -> None:
    """ADD succeeds and prints a result of the version that was asked for."""
    call = testbed.attachment().add()
    printed_result = call.result and "code" not in call.result
    testbed.require(
        "spec/1.1.0/errors/1",
        call.ok or not printed_result,
        expected="ADD exits with 0 when it prints a result",
        actual=call,
    )
    if call.code == 1 and testbed.facts.says_versions:
        testbed.block(f"VERSION lists {testbed.version}, and ADD refuses it: see version/2")
    testbed.require(
        "spec/1.1.0/ADD/2",
        call.ok,
        expected=f"ADD with the given configuration succeeds at cniVersion {testbed.version}",
        actual=call,
    )
    testbed.require(
        "spec/1.1.0/ADD/2",
        call.stdout.strip(),
        expected="a successful ADD prints a result on standard output",
        actual=call,
    )
    testbed.require(
        "spec/1.1.0/result/1",
        isinstance(call.document, dict),
        expected="standard output holds one JSON object and nothing else",
        actual=call,
    )
    testbed.expect(
        "spec/1.1.0/result/2",
        call.result.get("cniVersion") == testbed.version,
        expected=f"`cniVersion` of the result is that of the request, {testbed.version}",
        actual=f"cniVersion is {call.result.get('cniVersion')!r}",
    )


@case("spec/1.1.0/ADD/1")
def add_makes_the_interface(testbed: Testbed) -> None:
    """After ADD the container has an interface of the requested name."""
    for ifname in dict.fromkeys([testbed.profile.ifname, _other_name(testbed)]):
        attachment = testbed.attached(f"c-{ifname}", ifname=ifname)
        names = _interfaces(attachment)
        if any(each.get("socketPath") for each in _results.interfaces(attachment.result or {})):
            testbed.not_applicable("the interface is a socket, and no link")
        testbed.expect(
            "spec/1.1.0/ADD/1",
            ifname in names,
            expected=f"an interface {ifname} in the namespace CNI_NETNS",
            actual=f"the namespace has {', '.join(names)}",
        )


@case("spec/1.1.0/ADD/1", "spec/1.1.0/result/5")
def add_works_in_the_namespace_of_the_path(testbed: Testbed) -> None:
    """CNI_NETNS may be any path: also elsewhere, and with the last part of another namespace's."""
    if testbed.profile.container:
        testbed.not_applicable("the profile prepares each container where it is")
    works = testbed.attached("works")
    if works.ifname not in _interfaces(works):
        testbed.not_applicable("the plugin makes no link")
    works.delete()
    attachment = testbed.attachment("place")
    decoy = attrs.evolve(attachment)
    attachment.netns = f"{BASE}/elsewhere/{os.path.basename(decoy.netns)}"
    os.makedirs(os.path.dirname(attachment.netns))
    testbed.observer.ignored.add(attachment.netns)
    _kernel.make_netns(attachment.netns)
    if not (call := attachment.add()).ok:
        testbed.expect(
            "spec/1.1.0/ADD/1",
            condition=False,
            expected=f"ADD succeeds in {attachment.netns}, as it does in {decoy.netns}",
            actual=call,
        )
        return
    testbed.expect(
        "spec/1.1.0/ADD/1",
        attachment.ifname in _interfaces(attachment),
        expected=f"an interface {attachment.ifname} in {attachment.netns}, and not in {decoy.netns}",
        actual=f"the namespaces have {', '.join(_interfaces(attachment))} and "
        f"{', '.join(_interfaces(decoy))}",
    )
    attachment.delete()
    if testbed.version in {"0.1.0", "0.2.0"}:
        return
    attachment.netns, real = f"{BASE}/link-to-{attachment.label}", attachment.netns
    testbed.command("ln", "-s", real, attachment.netns)
    if not (call := attachment.add()).ok:
        testbed.block(f"needs an ADD that follows a symbolic link; {call.describe()}")
    for interface in _results.container_interfaces(call.result):
        testbed.expect(
            "spec/1.1.0/result/5",
            interface.get("sandbox") == attachment.netns,
            expected=f"`sandbox` is CNI_NETNS as it was given, {attachment.netns}",
            actual=f"it is {interface.get('sandbox')!r}",
        )


@case("spec/1.1.0/ADD/4")
def add_refuses_a_name_that_is_taken(testbed: Testbed) -> None:
    """ADD returns an error when the container has an interface of that name."""
    attachment = testbed.attachment()
    if attachment.ifname in _interfaces(attachment):
        testbed.not_applicable(f"{attachment.ifname} exists in every namespace")
    other = testbed.attached("other")  # so that a failure below is due to the name alone
    other.delete()
    peer = "cfpeer0"
    inside = attachment.netns
    testbed.command(
        "ip", "link", "add", attachment.ifname, "type", "veth", "peer", "name", peer, inside=inside
    )
    before = testbed.observe()
    call = attachment.add()
    testbed.require(
        "spec/1.1.0/ADD/4",
        not call.ok,
        expected=f"ADD fails, since the container has an interface {attachment.ifname} already",
        actual=call,
        diff=before.diff(testbed.observe()),
    )
    names = _interfaces(attachment)
    testbed.expect(
        "spec/1.1.0/ADD/4",
        attachment.ifname in names,
        expected=f"the interface {attachment.ifname} that was there is left alone",
        actual=f"after ADD the namespace has {', '.join(names)}",
    )


@case("spec/1.1.0/ADD/5")
def add_needs_its_variables(testbed: Testbed) -> None:
    """ADD without container id, namespace or interface name does not succeed."""
    testbed.attached("works").delete()
    for variable in ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"):
        attachment = testbed.attachment(f"without-{variable[4:].lower()}")
        call = attachment.add(env={variable: None})
        testbed.expect(
            "spec/1.1.0/ADD/5",
            not call.ok,
            expected=f"ADD without {variable} fails",
            actual=call,
        )


@case("spec/1.1.0/ADD/6")
def add_does_without_arguments(testbed: Testbed) -> None:
    """ADD succeeds without CNI_ARGS, and with an empty one."""
    if testbed.configuration.args:
        testbed.not_applicable("the configuration of the profile needs CNI_ARGS")
    testbed.attached("works").delete()
    for label, value in (("without", None), ("empty", "")):
        attachment = testbed.attachment(label)
        call = attachment.add(env={"CNI_ARGS": value})
        testbed.expect(
            "spec/1.1.0/ADD/6",
            call.ok,
            expected="ADD succeeds "
            + ("without CNI_ARGS" if value is None else "with CNI_ARGS empty"),
            actual=call,
        )
        attachment.delete()  # some have one device for all


@case("spec/1.1.0/parameters/1")
def add_refuses_names_no_interface_can_have(testbed: Testbed) -> None:
    """ADD with an interface name that Linux does not allow returns an error."""
    testbed.attached("works").delete()
    for number, name in enumerate(("sixteen-letters0", "with/slash", "..", "with space")):
        call = testbed.attachment(f"name{number}", ifname=name).add()
        testbed.expect(
            "spec/1.1.0/parameters/1",
            not call.ok,
            expected=f"ADD with CNI_IFNAME={name!r} fails",
            actual=call,
        )


@case("spec/1.1.0/parameters/3")
def arguments_are_pairs(testbed: Testbed) -> None:
    """CNI_ARGS with pairs nobody knows is accepted when IgnoreUnknown is set."""
    testbed.attached("works").delete()
    given = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0"
    call = testbed.attachment("pod").add(env={"CNI_ARGS": given})
    testbed.expect(
        "spec/1.1.0/parameters/3",
        call.ok,
        expected=f"ADD with CNI_ARGS={given} succeeds, as Kubernetes sends it",
        actual=call,
    )


def _other_name(testbed: Testbed) -> str:
    return testbed.profile.ifname if testbed.profile.ifname == "lo" else "net1"


def _interfaces(attachment: Attachment) -> list[str]:
    with _kernel.inside_netns(attachment.netns):
        output = subprocess.run(
            ["ip", "-o", "link", "show"], capture_output=True, text=True, check=True
        ).stdout
    return [line.split()[1].rstrip(":").partition("@")[0] for line in output.splitlines()]
