"""What an attacker who controls names, configurations or files must not get out of a plugin."""

from __future__ import annotations

import json
import os
import posixpath
import stat
from collections.abc import Iterator
from typing import Any

from cni_conformance._case import case
from cni_conformance._interfaces import has_interface
from cni_conformance._invocation import Invocation
from cni_conformance._leftovers import content_of, file_path, warm_up
from cni_conformance._testbed import BASE, Attachment, Testbed
from cni_conformance._versions import has_command
from cni_conformance.state import State


Json = dict[str, Any]

_WITNESS = f"{BASE}/injected"


# -- paths ---------------------------------------------------------------------------------------


# -- permissions and secrets ---------------------------------------------------------------------


@case("sec/mode/1")
def state_is_not_writable_by_all(testbed: Testbed) -> None:
    """What ADD makes is not writable by others, even with an umask of 0."""
    before = testbed.observe().only("file")
    umask = os.umask(0)
    testbed.note("setup", "the runtime has an umask of 0", ["umask", "0"])
    try:
        testbed.attached()
    finally:
        os.umask(umask)
    open_to_all = [
        line
        for line in before.appeared(testbed.observe().only("file"))
        if line.split()[3][0] in "-ds" and line.split()[3][8:9] == "w"
    ]
    testbed.expect(
        "sec/mode/1",
        not open_to_all,
        expected="no file, directory or socket that ADD makes is writable by others",
        actual=f"{len(open_to_all)} are, see the list",
        diff=open_to_all,
    )


@case("sec/secret/1")
def secrets_are_kept(testbed: Testbed) -> None:
    """Passwords and tokens of the configuration are in no output and no readable file."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    warm_up(testbed)
    before = testbed.observe().only("file")
    secrets = {
        key: f"hunter2-{testbed.random.getrandbits(40):x}"
        for key in ("password", "token", "apiKey", "kubeconfig")
    }
    attachment = testbed.attachment("secret")
    good = testbed.call("ADD", attachment, patch=dict(secrets))
    if good.ok:
        attachment.result = good.result
        _expect_no_secret_in_files(testbed, before, list(secrets.values()))
        calls = [good, *_further_calls(testbed, attachment, secrets)]
    else:
        calls = list(_broken_calls(testbed, attachment, secrets))
    for call in calls:
        output = call.stdout + call.stderr
        shown = [key for key, value in secrets.items() if value.encode() in output]
        # The specification wants key and value of an unsupported field to be named.
        if call.code == 2:
            continue
        testbed.expect(
            "sec/secret/1",
            not shown,
            expected=f"the output of {call.command} holds no value of {', '.join(secrets)}",
            actual=f"it holds that of {', '.join(shown)}; {call.describe()}",
        )
    _expect_no_secret_in_files(testbed, before, list(secrets.values()))


def _further_calls(testbed: Testbed, attachment: Attachment, secrets: Json) -> Iterator[Invocation]:
    patch = dict(secrets)
    if has_command(testbed.version, "CHECK"):
        yield attachment.check(patch=patch)
        yield attachment.check(patch={**patch, "prevResult": {"interfaces": 5}})
    if has_command(testbed.version, "STATUS"):
        yield testbed.call("STATUS", patch=patch)
    if has_command(testbed.version, "GC"):
        yield testbed.gc(attachment, patch=patch)
    yield from _broken_calls(testbed, attachment, secrets)
    yield attachment.delete(patch=patch)


def _broken_calls(testbed: Testbed, attachment: Attachment, secrets: Json) -> Iterator[Invocation]:
    """Calls that fail, each for another reason."""
    patch = dict(secrets)
    yield attachment.add(patch=patch)  # once more, in the same place
    whole = json.dumps({**testbed.config(), **secrets})
    yield testbed.call("ADD", attachment, stdin=whole[:-1].encode())
    yield testbed.call("ADD", attachment, stdin=whole.replace("{", "{,", 1).encode())
    yield attachment.add(patch={**patch, "cniVersion": "9.9.9"})
    yield attachment.add(patch={**patch, "prevResult": "nonsense"})
    for invalid in testbed.profile.invalid[:2]:
        yield attachment.add(patch={**patch, **invalid})
    if testbed.facts.delegates:
        testbed.script_delegate("ADD", stdout="garbage", exit=1)
        yield testbed.attachment("refused").add(patch=patch)
        testbed.delegate.reset()


def _expect_no_secret_in_files(testbed: Testbed, before: State, secrets: list[str]) -> None:
    lines = before.diff(testbed.observe().only("file"))
    for path in {file_path(line) for line in lines if line.startswith("+ ")}:
        content = content_of(path) or b""
        if any(each.encode() in content for each in secrets):
            testbed.expect(
                "sec/secret/1",
                not _is_readable_by_others(path),
                expected="no file that others may read holds a password or token",
                actual=f"{path}, with mode {stat.filemode(os.stat(path).st_mode)}, holds one",
            )


def _is_readable_by_others(path: str) -> bool:
    if not os.stat(path).st_mode & stat.S_IROTH:
        return False
    while (path := posixpath.dirname(path)) != "/":
        if not os.stat(path).st_mode & stat.S_IXOTH:
            return False
    return True


# -- commands and options ------------------------------------------------------------------------


@case("sec/inject/1")
def values_are_no_commands(testbed: Testbed) -> None:
    """Shell characters and dashes in names and values run no command and are no options."""
    if testbed.facts.delegates:
        testbed.use_fake_ipam()
    warm_up(testbed)
    touch = f"touch {_WITNESS}"
    for number, payload in enumerate((f";{touch};\n{touch}\n", f"$({touch})`{touch}`")):
        attachment = testbed.attachment(f"inject{number}")
        tries: list[tuple[str, Json]] = [
            ("every text of the configuration", {"patch": _poisoned(testbed, payload)}),
            ("the name of the network", {"patch": {"name": f"net{payload}"}}),
            ("CNI_CONTAINERID", {"env": {"CNI_CONTAINERID": f"a{payload}"}}),
            ("CNI_IFNAME", {"env": {"CNI_IFNAME": f"$(>{_WITNESS})"}}),
            ("CNI_ARGS", {"env": {"CNI_ARGS": f"IgnoreUnknown=1;X={payload.replace(';', '&')}"}}),
        ]
        for what, changes in tries:
            for command in ("ADD", "DEL"):
                call = testbed.call(command, attachment, **changes)
                testbed.require(
                    "sec/inject/1",
                    not os.path.exists(_WITNESS),
                    expected=f"{command} with {payload!r} in {what} does not run that command",
                    actual=f"the command ran: {_WITNESS} exists; {call.describe()}",
                )
    if testbed.profile.ifname != "lo":
        _expect_names_are_no_commands(testbed)
    if testbed.kind == "interface" and testbed.profile.ifname != "lo":
        _expect_no_options(testbed)


def _expect_names_are_no_commands(testbed: Testbed) -> None:
    """Interfaces may have such names: they are short enough, and have no slash and no blank."""
    witness = "/cfwit"  # commands run in the root directory
    for number, name in enumerate(("$(>cfwit)", ";>cfwit;", "a`>cfwit`")):
        attachment = testbed.attachment(f"named{number}", ifname=name)
        for command in ("ADD", "DEL"):
            call = testbed.call(command, attachment)
            testbed.require(
                "sec/inject/1",
                not os.path.exists(witness),
                expected=f"{command} with CNI_IFNAME={name} does not run what is in the name",
                actual=f"the command ran: {witness} exists; {call.describe()}",
            )


def _expect_no_options(testbed: Testbed) -> None:
    for number, name in enumerate(("-h", "--help", "-force")):
        attachment = testbed.attachment(f"dash{number}", ifname=name)
        call = attachment.add()
        if not call.ok:
            continue
        testbed.expect(
            "sec/inject/1",
            has_interface(attachment),
            expected=f"ADD with CNI_IFNAME={name} fails, or makes an interface of that name",
            actual="ADD succeeded, and there is no such interface",
        )
        attachment.delete()


def _poisoned(testbed: Testbed, payload: str) -> Json:
    """The configuration with a payload behind every text but the types."""

    def poison(key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: poison(name, each) for name, each in value.items()}
        if isinstance(value, list):
            return [poison(key, each) for each in value]
        return value + payload if isinstance(value, str) and key != "type" else value

    config = {key: poison(key, value) for key, value in testbed.configuration.plugin.items()}
    return {**config, "conformanceExtra": payload, "args": {"cni": {"labels": [payload]}}}


# -- descriptors ---------------------------------------------------------------------------------


@case("sec/leak/1", delegating=True)
def delegates_inherit_nothing(testbed: Testbed) -> None:
    """The delegate has the standard three descriptors and no other."""
    testbed.use_fake_ipam()
    attachment = testbed.attached()
    attachment.check()
    attachment.delete()
    for call in testbed.delegate.calls():
        more = {name: what for name, what in call.descriptors.items() if int(name) > 2}
        testbed.expect(
            "sec/leak/1",
            not more,
            expected=f"the delegate has the descriptors 0, 1 and 2 when {call.command} runs it",
            actual=", ".join(f"{name} is {what}" for name, what in sorted(more.items())),
        )


@case("sec/leak/2")
def descriptors_of_the_runtime(testbed: Testbed) -> None:
    """Descriptors the runtime left open change nothing and are not written to."""
    warm_up(testbed)
    path = f"{BASE}/left-open"
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    extra = (descriptor, writing)
    try:
        attachment = testbed.attachment("open")
        calls = [attachment.add(pass_fds=extra)]
        if has_command(testbed.version, "CHECK"):
            calls.append(attachment.check(pass_fds=extra))
        calls.append(attachment.delete(pass_fds=extra))
        for call in calls:
            testbed.expect(
                "sec/leak/2",
                call.ok or call.command == "CHECK",
                expected=f"{call.command} succeeds with further descriptors open, as it does without",
                actual=call,
            )
        testbed.expect(
            "sec/leak/2",
            not os.path.getsize(path) and not _read(reading),
            expected="nothing is written to descriptors beyond the standard three",
            actual="something was written to a file or pipe that the runtime had left open",
        )
    finally:
        for each in (reading, *extra):
            os.close(each)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""
