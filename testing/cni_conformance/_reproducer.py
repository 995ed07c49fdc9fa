"""A failure as a shell script: the same steps, in namespaces of its own."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
import shlex
from typing import TYPE_CHECKING, Any

from cni_conformance._case import Case
from cni_conformance._json_text import json_text
from cni_conformance._outcome import Step


if TYPE_CHECKING:
    from cni_conformance._testbed import Testbed


_ENTER = """\
# Everything happens in namespaces that end with the script.
if [ -z "${CNI_REPRODUCER:-}" ]; then
    [ "$(id -u)" = 0 ] || map=--map-root-user
    # Processes too, where a new /proc may be mounted: what the script starts ends with it then.
    own="--pid --fork --kill-child --mount-proc"
    unshare ${map:-} $own true 2>/dev/null || own=
    exec env CNI_REPRODUCER=1 unshare ${map:-} $own --net --mount --propagation private sh "$0"
fi
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/lib && mkdir -p /run/netns
"""
_MARK = "what ADD printed"
STRING = """\
# string NUMBER FILE: one of the strings in what a call has printed.
string() { grep -o '"[^"]*"' "$2" | sed -n "$1p" | tr -d '"'; }
"""
_MADE_UP = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|[a-z]+[0-9a-f]{6,}")
"""A hardware address, or an interface's name with a hexadecimal number: others the next time."""
_KILLED = ("timeout", "SIGKILL")
_FAKE = """\
# The delegate of this test: it answers as it is told and writes down its calls.
mkdir -p {base}/bin {base}/scripts {base}/calls {base}/pool
echo '#!/usr/bin/env -S python3 -ISB' >{base}/bin/{name}
cat >>{base}/bin/{name} <<'END_OF_PROGRAM'
{program}END_OF_PROGRAM
chmod +x {base}/bin/{name}
"""


def script(testbed: Testbed, case: Case) -> str:
    """The steps of a case, up to its last violation, as a script for sh(1)."""
    lines = ["#!/bin/sh", f"# {case.name}: {case.title}"]
    for found in testbed.violations:
        lines += [f"# {found.requirement}"]
        lines += [f"#   expected: {line}" for line in found.expected.splitlines()]
        lines += [f"#   actual: {line}" for line in found.actual.splitlines()[:5]]
    lines += ["", _ENTER]
    steps = testbed.steps[: testbed.end_of_violations]
    if any(step.delegate_calls for step in steps) or testbed.delegate.bin in "".join(
        step.env.get("CNI_PATH", "") for step in steps
    ):
        program = (
            importlib.resources.files("cni_conformance").joinpath("delegate_program.py").read_text()
        )
        for name in sorted(os.listdir(testbed.delegate.bin)):
            lines.append(_FAKE.format(base=testbed.delegate.base, name=name, program=program))
    results: list[tuple[str, str]] = []
    commands: list[str] = []
    for number, step in enumerate(steps):
        commands += _of_step(step, f"/run/printed-{number}", results)
    if any("$(string " in line for line in commands):
        lines.append(STRING)
    lines += commands
    return "\n".join(lines) + "\n"


def _of_step(step: Step, printed: str, results: list[tuple[str, str]]) -> list[str]:
    """A step as shell commands.

    Args:
        step: Which.
        printed: The file for what the plugin prints.
        results: What ADD has printed so far, each with the file that has what it prints this time.
    """
    if step.kind == "plugin":
        env = [f"{key}={shlex.quote(value)}" for key, value in sorted(step.env.items())]
        command = " ".join(shlex.quote(word) for word in step.argv)
        if step.ended_by in _KILLED:
            command = f"timeout -s KILL {step.seconds:.3f} {command}"
        stdin = stdin_again(step.stdin, results)
        if step.title.startswith("ADD") and step.exit_code == 0:
            results.append((step.stdout, printed))
        return [
            "",
            f"echo {shlex.quote('--- ' + step.title)}",
            f"{stdin} |",
            "    env -i \\",
            *[f"    {line} \\" for line in env],
            f"    {command} >{printed}",
            f"status=$?; cat {printed}",
            r'printf "\n--- exit status %s\n" "$status"',
        ]
    if step.argv:
        return [" ".join(shlex.quote(word) for word in step.argv)]
    return [f"# {step.title}"]


def stdin_again(stdin: str, results: list[tuple[str, str]]) -> str:
    """A command that writes the input again.

    A prevResult, or what ADD made up of one that was edited, is what ADD prints this time.

    Args:
        stdin: What the call was given.
        results: What ADD has printed until then, each with the file that has what it prints this time.
    """
    config = _parsed(stdin)
    previous = config.get("prevResult") if isinstance(config, dict) else None
    if not previous:
        return f"printf %s {shlex.quote(_pretty(stdin))}"
    files = [file for text, file in results if _parsed(text) == previous]
    if files:
        marked = json_text({**config, "prevResult": _MARK}, indent=2)
        before, after = (shlex.quote(part) for part in marked.split(f'"{_MARK}"'))
        return f"{{ printf %s {before}; cat {files[-1]}; printf %s {after}; }}"
    document, renewed = _pretty(stdin), ""
    for text, file in results:
        for number, string in enumerate(re.findall(r'"([^"]*)"', text), 1):
            if _MADE_UP.fullmatch(string) and string in document:
                renewed += f' -e "s/{string}/$(string {number} {file})/"'
    return f"printf %s {shlex.quote(document)}" + (f" | sed{renewed}" if renewed else "")


def _pretty(text: str) -> str:
    """JSON with line breaks, so that a reader finds what matters."""
    document = _parsed(text)
    return text if document is None else json_text(document, indent=2)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
