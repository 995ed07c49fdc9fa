"""What the field has learned about ADD under odd conditions: unknown arguments, no IPv6, a busy machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Generator

from cni_conformance import _results
from cni_conformance._case import case
from cni_conformance._leftovers import check_works, warm_up
from cni_conformance._testbed import BASE, Attachment, Testbed


_ROUNDS_IN_CHURN = 4
_LARGE = 7000
"""How often a word of twelve letters is repeated: more than a pipe holds at once."""


@case("field/add/4")
def add_with_unknown_arguments(testbed: Testbed) -> None:
    """ADD succeeds with arguments nobody knows when IgnoreUnknown is set."""
    warm_up(testbed)
    own = f"{testbed.configuration.args};" if testbed.configuration.args else ""
    own = "" if own == "IgnoreUnknown=1;" else own
    flags = "" if "IgnoreUnknown" in own else "IgnoreUnknown=1;"
    unknown = "CONFORMANCE_UNKNOWN=1;X-CONFORMANCE.EXAMPLE=a-b.c"
    for label, given in (
        ("before", f"{flags}{own}{unknown}"),
        ("after", f"{own}{unknown};{flags}".rstrip(";")),
    ):
        attachment = testbed.attachment(label)
        call = attachment.add(env={"CNI_ARGS": given})
        testbed.expect(
            "field/add/4",
            call.ok,
            expected=f"ADD succeeds with CNI_ARGS={given}",
            actual=call,
        )
        attachment.delete(env={"CNI_ARGS": given})


@case("field/input/1")
def large_configurations(testbed: Testbed) -> None:
    """ADD and DEL succeed with a large configuration that is not all ASCII."""
    warm_up(testbed)
    attachment = testbed.attachment("large")
    given = testbed.configuration.plugin.get("args")
    args = given if isinstance(given, dict) else {}
    note = {"text": "gr\u00fcn \u2713 \U0001f433", "filler": "conformance " * _LARGE}
    attachment.config = {"args": {**args, "conformance.example/note": note}}
    for call in (attachment.add(), attachment.delete()):
        testbed.expect(
            "field/input/1",
            call.ok,
            expected=f"{call.command} succeeds with {len(call.stdin) // 1024} KiB of configuration "
            "in UTF-8, most of it `args` for others",
            actual=call,
        )


@case("field/add/5", kinds=["interface", "meta"])
def add_without_ipv6(testbed: Testbed) -> None:
    """ADD of IPv4 addresses succeeds where IPv6 is switched off."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    usual = testbed.attached("usual")
    if any(":" in each for each in _results.addresses(usual.result or {})):
        testbed.not_applicable("the plugin gives IPv6 addresses with this configuration")
    if not usual.delete().ok:
        testbed.block("needs a DEL that succeeds")
    switch = "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6"
    if not os.path.exists("/proc/sys/net/ipv6/conf/all/disable_ipv6"):
        testbed.not_applicable("this kernel has no IPv6")
    off_inside = testbed.attachment("container")
    testbed.command("sh", "-ec", switch, inside=off_inside.netns)
    _expect_works(testbed, off_inside, "in a container with disable_ipv6 set")
    off = testbed.attachment("machine")
    testbed.command("sh", "-ec", switch, inside=off.netns)
    testbed.command("sh", "-ec", switch)
    _expect_works(testbed, off, "on a machine with disable_ipv6 set")
    testbed.command("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", "/proc/sys/net/ipv6")
    hidden = testbed.attachment("hidden")
    _expect_works(testbed, hidden, "on a machine without /proc/sys/net/ipv6")


def _expect_works(testbed: Testbed, attachment: Attachment, where: str) -> None:
    for call in (attachment.add(), attachment.delete()):
        testbed.expect(
            "field/add/5", call.ok, expected=f"{call.command} succeeds {where}", actual=call
        )


@case("field/add/6", kinds=["interface", "meta"])
def add_while_links_come_and_go(testbed: Testbed) -> None:
    """ADD, CHECK and DEL succeed while other links come and go all the time."""
    checks = check_works(testbed)
    attachments = [testbed.attachment(f"busy{number}") for number in range(_ROUNDS_IN_CHURN)]
    with _churn(testbed):
        for attachment in attachments:
            calls = [attachment.add]
            if checks:
                calls.append(attachment.check)
            for run in (*calls, attachment.delete):
                call = run()
                testbed.require(
                    "field/add/6",
                    call.ok,
                    expected=f"{call.command} succeeds while other links come and go",
                    actual=call,
                )


@contextlib.contextmanager
def _churn(testbed: Testbed) -> Generator[None]:
    """Make and remove links as fast as ip(8) can; enough others exist for a dump in several parts."""
    batch = f"{BASE}/churn"
    steady = "".join(f"link add cfsteady{number} type bridge\n" for number in range(80))
    moving = "link add cfmoving0 type bridge\nlink del cfmoving0\n" * 50
    for name, text in ((f"{batch}-steady", steady), (batch, moving)):
        with open(name, "w", encoding="ascii") as file:
            file.write(text)
    testbed.command("ip", "-batch", f"{batch}-steady")
    testbed.note("note", "from here on a bridge cfmoving0 is made and removed all the time")
    loop = f"while :; do ip -force -batch {batch} || exit; done"
    with subprocess.Popen(
        ["sh", "-c", loop], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            process.kill()
