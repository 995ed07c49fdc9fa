"""DEL: undo what ADD did, as far as anything is left to undo."""

from __future__ import annotations

from cni_conformance._case import case
from cni_conformance._invocation import Invocation
from cni_conformance._leftovers import mentions, settled
from cni_conformance._testbed import Attachment, Testbed


# What stays between attachments on purpose, such as a bridge, is not what DEL is asked about.
_OF_AN_ATTACHMENT = ("link", "address", "route", "rule", "neighbour", "qdisc", "filter", "firewall")


@case("spec/1.1.0/DEL/1", "spec/1.1.0/result/1", versions="each", configurations="each")
def delete_undoes_add(testbed: Testbed) -> None:
    """DEL succeeds, and takes back what ADD made in the container and on the host."""
    testbed.attached("first").delete()  # makes what stays between attachments
    attachment = testbed.attachment("second")
    before = testbed.observe().only(*_OF_AN_ATTACHMENT)
    if not (call := attachment.add()).ok:
        testbed.block(f"needs an ADD that succeeds; {call.describe()}")
    call = attachment.delete()
    testbed.require(
        "spec/1.1.0/DEL/1", call.ok, expected="DEL right after ADD succeeds", actual=call
    )
    testbed.expect(
        "spec/1.1.0/result/1",
        not call.stdout.strip() or call.document is not None,
        expected="what DEL prints, if anything, is one JSON document",
        actual=call,
    )
    testbed.expect_same(
        "spec/1.1.0/DEL/1",
        before,
        testbed.observe().only(*_OF_AN_ATTACHMENT),
        expected="after DEL the links, addresses, routes and rules are what they were before ADD",
    )


@case("spec/1.1.0/DEL/1", kinds=["chained"])
def delete_puts_settings_back(testbed: Testbed) -> None:
    """DEL puts a setting back to what it was before ADD, not to what it usually is."""
    first = testbed.attachment("first")
    before = _settings(testbed, "first")
    if not (call := first.add()).ok or not first.delete().ok:
        testbed.block(f"needs ADD and DEL to succeed; {call.describe()}")
    first.add()
    after = _settings(testbed, "first")
    first.delete()
    changed = {key: after[key] for key in before.keys() & after.keys() if before[key] != after[key]}
    if not changed:
        testbed.not_applicable("ADD changes no sysctl in the container")
    second = testbed.attachment("second")
    for key, value in sorted(changed.items()):
        path = "/proc/sys/" + key.replace(".", "/")
        testbed.command("sh", "-ec", f"echo '{value}' >{path}", inside=second.netns)
    if not (call := second.add()).ok or not second.delete().ok:
        testbed.block(f"needs ADD and DEL to succeed; {call.describe()}")
    now = _settings(testbed, "second")
    wrong = [f"{key} was {changed[key]} and is {now.get(key)}" for key in sorted(changed)]
    testbed.expect(
        "spec/1.1.0/DEL/1",
        all(now.get(key) == value for key, value in changed.items()),
        expected="after DEL each sysctl that ADD sets is what it was before ADD",
        actual="; ".join(wrong),
    )


def _settings(testbed: Testbed, label: str) -> dict[str, str]:
    """The sysctls of a container, without those that follow another."""
    rows = testbed.observe().lines.get(f"{label} sysctl", frozenset())
    pairs = (row.split(" = ", 1) for row in rows)
    return {key: value for key, value in pairs if not key.endswith(".mtu")}


@case("spec/1.1.0/DEL/2")
def delete_without_prev_result(testbed: Testbed) -> None:
    """DEL without prevResult succeeds."""
    forgets = _baseline(testbed)
    _, _, usual = _deleted(testbed, "usual")
    attachment, call, left = _deleted(testbed, "without", prevResult=None)
    testbed.require(
        "spec/1.1.0/DEL/2", call.ok, expected="DEL without prevResult succeeds", actual=call
    )
    testbed.expect(
        "spec/1.1.0/DEL/2",
        not left or usual,
        expected="nothing of the attachment is left on the host after DEL without prevResult, as after "
        "one that has it",
        actual=f"{len(left)} things are left, see the list",
        diff=left,
    )
    _expect_forgotten(testbed, "spec/1.1.0/DEL/2", attachment, "prevResult", forgets=forgets)


def _deleted(
    testbed: Testbed, label: str, **patch: None
) -> tuple[Attachment, Invocation, list[str]]:
    """A container after ADD and DEL, the call of DEL, and what is left on the host."""
    attachment = testbed.attachment(label)
    before = testbed.observe().of("host").only(*_OF_AN_ATTACHMENT)
    if not (call := attachment.add()).ok:
        testbed.block(f"needs an ADD that succeeds; {call.describe()}")
    call = attachment.delete(patch=dict(patch))
    after = testbed.observe().of("host").only(*_OF_AN_ATTACHMENT)
    return attachment, call, settled(before).appeared(settled(after))


@case("spec/1.1.0/DEL/3")
def delete_when_the_interface_is_gone(testbed: Testbed) -> None:
    """DEL succeeds when the interface, the namespace or the file at CNI_NETNS is gone."""
    _baseline(testbed)
    if testbed.kind != "ipam" and testbed.profile.ifname != "lo":
        attachment = testbed.attached("without-link")
        testbed.command(
            "ip", "link", "del", attachment.ifname, inside=attachment.netns, check=False
        )
        call = attachment.delete()
        testbed.expect(
            "spec/1.1.0/DEL/3",
            call.ok,
            expected="DEL succeeds when the interface in the container is gone",
            actual=call,
        )
    attachment = testbed.attached("without-namespace")
    attachment.remove_netns()
    call = attachment.delete()
    testbed.expect(
        "spec/1.1.0/DEL/3",
        call.ok,
        expected="DEL succeeds when nothing is at the path in CNI_NETNS any more",
        actual=call,
    )


@case("spec/1.1.0/DEL/4", kinds=["ipam"])
def release_without_a_namespace(testbed: Testbed) -> None:
    """DEL of an IPAM plugin releases the address although the namespace is gone."""
    forgets = _baseline(testbed)
    attachment = testbed.attachment("gone")
    before = testbed.observe().only("file")
    if not (call := attachment.add()).ok:
        testbed.block(f"needs an ADD that succeeds; {call.describe()}")
    reserved = _new_files(before.appeared(testbed.observe().only("file")))
    attachment.remove_netns()
    call = attachment.delete()
    testbed.require(
        "spec/1.1.0/DEL/4",
        call.ok,
        expected="DEL succeeds when the network namespace is gone",
        actual=call,
    )
    left = reserved & _new_files(before.appeared(testbed.observe().only("file")))
    testbed.expect(
        "spec/1.1.0/DEL/4",
        not left,
        expected="DEL releases the address: the files that ADD made for it are gone",
        actual=f"still there: {', '.join(sorted(left))}",
    )
    _expect_forgotten(testbed, "spec/1.1.0/DEL/4", attachment, "a namespace", forgets=forgets)


def _expect_forgotten(
    testbed: Testbed, requirement: str, attachment: Attachment, what: str, *, forgets: bool
) -> None:
    """No file holds the container's id after this DEL, if none does after an ordinary one."""
    held = mentions(testbed, attachment) if forgets else []
    testbed.expect(
        requirement,
        not held,
        expected=f"no file holds the container's id after a DEL without {what}, as after an ordinary one",
        actual=f"it is in {', '.join(held)}",
    )


@case("spec/1.1.0/DEL/5")
def clean_up_the_host_without_a_namespace(testbed: Testbed) -> None:
    """DEL cleans up the host, and calls the delegate, when the namespace is gone or not named."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    _baseline(testbed)
    for label, env in (("gone", {}), ("unnamed", {"CNI_NETNS": ""})):
        attachment = testbed.attachment(label)
        before = testbed.observe().of("host").only(*_OF_AN_ATTACHMENT)
        if not (call := attachment.add()).ok:
            testbed.block(f"needs an ADD that succeeds; {call.describe()}")
        if label == "gone":
            attachment.remove_netns()
        testbed.forget_delegate_calls()
        where = "is gone" if label == "gone" else "is not named, CNI_NETNS being empty"
        call = attachment.delete(env=env)
        if not call.ok:
            continue  # DEL/3 and DEL/8 speak of that
        if testbed.facts.delegates:
            testbed.expect(
                "spec/1.1.0/DEL/5",
                "DEL" in testbed.delegate.commands(),
                expected=f"DEL calls the delegate when the namespace {where}",
                actual=f"calls of the delegate: {testbed.delegate.commands() or 'none'}",
            )
        if label == "gone":
            # Where the namespace lives on, its half of the attachment may stay. What goes with a
            # namespace, such as a device that had been moved there, is not the plugin's to save.
            after = testbed.observe().of("host").only(*_OF_AN_ATTACHMENT)
            left = settled(before).appeared(settled(after))
            testbed.expect(
                "spec/1.1.0/DEL/5",
                not left,
                expected=f"nothing of the attachment stays on the host when the namespace {where}",
                actual=f"{len(left)} things are left, see the list",
                diff=left,
            )


@case("spec/1.1.0/DEL/6", "spec/0.4.0/DEL/2", versions="each")
def delete_again(testbed: Testbed) -> None:
    """DEL can be repeated, with and without the interface there."""
    attachment = testbed.attached()
    call = attachment.delete()
    if not call.ok:
        testbed.block(f"needs a DEL that succeeds; {call.describe()}")
    for times in ("second", "third"):
        call = attachment.delete()
        testbed.require(
            _repeated(testbed), call.ok, expected=f"a {times} DEL succeeds", actual=call
        )
    never = testbed.attachment("never-added").delete()
    testbed.expect(
        _repeated(testbed),
        never.ok,
        expected="DEL of a container that was never added succeeds",
        actual=never,
    )


def _repeated(testbed: Testbed) -> str:
    return "spec/0.4.0/DEL/2" if testbed.version == "0.4.0" else "spec/1.1.0/DEL/6"


@case("spec/1.1.0/DEL/7")
def delete_needs_its_variables(testbed: Testbed) -> None:
    """DEL without container id or interface name does not succeed."""
    _baseline(testbed)
    for variable in ("CNI_CONTAINERID", "CNI_IFNAME"):
        attachment = testbed.attached(f"without-{variable[4:].lower()}")
        call = attachment.delete(env={variable: None})
        testbed.expect(
            "spec/1.1.0/DEL/7", not call.ok, expected=f"DEL without {variable} fails", actual=call
        )


@case("spec/1.1.0/DEL/8", "spec/0.4.0/DEL/1")
def delete_without_the_namespace_variable(testbed: Testbed) -> None:
    """DEL succeeds when CNI_NETNS is not set, or is empty."""
    _baseline(testbed)
    name = "spec/0.4.0/DEL/1" if testbed.version == "0.4.0" else "spec/1.1.0/DEL/8"
    for label, value in (("unset", None), ("empty", "")):
        attachment = testbed.attached(label)
        call = attachment.delete(env={"CNI_NETNS": value})
        testbed.expect(name, call.ok, expected=f"DEL succeeds with CNI_NETNS {label}", actual=call)


@case("spec/1.1.0/DEL/9")
def delete_does_without_arguments(testbed: Testbed) -> None:
    """DEL succeeds without CNI_ARGS."""
    if testbed.configuration.args:
        testbed.not_applicable("the configuration of the profile needs CNI_ARGS")
    attachment = testbed.attached()
    call = attachment.delete()
    if not call.ok and not attachment.delete(env={"CNI_ARGS": "IgnoreUnknown=1"}).ok:
        testbed.block(f"needs a DEL that succeeds; {call.describe()}")
    testbed.expect(
        "spec/1.1.0/DEL/9",
        call.ok,
        expected="DEL succeeds without CNI_ARGS, as it does with them",
        actual=call,
    )


@case("spec/0.4.0/state/1")
def attachments_of_one_container_are_apart(testbed: Testbed) -> None:
    """Two networks of one container, and two interfaces of one network, are kept apart."""
    if testbed.profile.ifname == "lo":
        testbed.not_applicable("there is one lo in a namespace")
    first = testbed.attached("two")
    second = testbed.attached("two", beside=first, ifname="net1")
    call = second.delete()
    if not call.ok:
        testbed.block(f"needs a DEL that succeeds; {call.describe()}")
    _expect_intact(testbed, first)


def _expect_intact(testbed: Testbed, attachment: Attachment) -> None:
    call = attachment.check()
    testbed.expect(
        "spec/0.4.0/state/1",
        call.ok,
        expected="DEL of net1 leaves the container's other interface alone: its CHECK succeeds",
        actual=call,
    )


def _baseline(testbed: Testbed) -> bool:
    """Block unless a plain ADD and DEL succeed, so that a failure below is due to the change.

    Returns:
        Whether no file holds the container's id after them.
    """
    attachment = testbed.attached("plain")
    call = attachment.delete()
    if not call.ok:
        testbed.block(f"needs a DEL that succeeds; {call.describe()}")
    return not mentions(testbed, attachment)


def _new_files(diff: list[str]) -> set[str]:
    """The paths of regular files that appeared, but for what allocators keep for themselves."""
    found = {
        line.removeprefix("+ file: ").split()[0] for line in diff if line.startswith("+ file: ")
    }
    return {path for path in found if not path.endswith("/") and _is_reservation(path)}


def _is_reservation(path: str) -> bool:
    name = path.rpartition("/")[2]
    return not name.startswith(("lock", "last_reserved_ip", ".")) and not name.endswith(".lock")
