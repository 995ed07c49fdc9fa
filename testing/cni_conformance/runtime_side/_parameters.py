"""Rules about how a plugin is run: its environment, its standard input, its place."""

from __future__ import annotations

import re

from cni_conformance.runtime_side._call import WITH_ATTACHMENT, Call
from cni_conformance.runtime_side._recording import Recording
from cni_conformance.runtime_side._rule import Findings, rule


COMMANDS = (*WITH_ATTACHMENT, "GC", "STATUS", "VERSION")
OF_ATTACHMENT = ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS")
_IDENTIFIER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")
_STANDARD = {"0", "1", "2"}


@rule("runtime/parameters/1", otherwise="no call was recorded")
def every_call_names_an_operation(seen: Recording) -> Findings:
    """CNI_COMMAND."""
    for call in seen.calls:
        is_known = call.command in COMMANDS
        yield call, "" if is_known else f"CNI_COMMAND is {_shown(call, 'CNI_COMMAND')}."


@rule("runtime/parameters/2", otherwise="no ADD was recorded")
def add_has_its_parameters(seen: Recording) -> Findings:
    """All three."""
    for call in seen.of("ADD"):
        yield call, _missing(call, "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME")


@rule("runtime/parameters/3", otherwise="no DEL was recorded")
def delete_has_its_parameters(seen: Recording) -> Findings:
    """CNI_NETNS may be empty: the namespace may be gone."""
    for call in seen.of("DEL"):
        yield call, _missing(call, "CNI_CONTAINERID", "CNI_IFNAME")


@rule("runtime/parameters/4", otherwise="no CHECK was recorded")
def check_has_its_parameters(seen: Recording) -> Findings:
    """All three."""
    for call in seen.of("CHECK"):
        yield call, _missing(call, "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME")


@rule("runtime/parameters/5", otherwise="no GC was recorded")
def gc_has_no_attachment(seen: Recording) -> Findings:
    """Empty ones are as good as none."""
    for call in seen.of("GC"):
        yield call, _superfluous(call)


@rule("runtime/parameters/6", otherwise="no STATUS was recorded")
def status_has_no_attachment(seen: Recording) -> Findings:
    """Empty ones are as good as none."""
    for call in seen.of("STATUS"):
        yield call, _superfluous(call)


@rule("runtime/parameters/7", otherwise="no container id was recorded")
def container_id_is_an_identifier(seen: Recording) -> Findings:
    """One that is missing is reported by the rules on required parameters."""
    for call in seen.of(*WITH_ATTACHMENT):
        if call.container:
            problem = "" if _IDENTIFIER.fullmatch(call.container) else _is(call, "CNI_CONTAINERID")
            yield call, problem


@rule("runtime/parameters/8", otherwise="no interface name was recorded")
def ifname_is_one_of_linux(seen: Recording) -> Findings:
    """What the kernel's dev_valid_name() refuses."""
    for call in seen.of(*WITH_ATTACHMENT):
        if call.ifname:
            yield call, "" if _is_ifname(call.ifname) else _is(call, "CNI_IFNAME")


@rule("runtime/parameters/9", otherwise="no CNI_ARGS were recorded")
def args_are_pairs(seen: Recording) -> Findings:
    """A semicolon at the end is no pair, and harmless."""
    for call in seen.of(*WITH_ATTACHMENT):
        args = call.env.get("CNI_ARGS", "")
        if args:
            keys = [each.partition("=") for each in args.rstrip(";").split(";")]
            is_well = all(key and equals for key, equals, _ in keys)
            yield call, "" if is_well else _is(call, "CNI_ARGS")


@rule("runtime/parameters/10", otherwise="no call but VERSION was recorded")
def path_leads_to_the_plugin(seen: Recording) -> Findings:
    """Delegates are looked for in the same directories."""
    for call in seen.calls:
        if call.command in COMMANDS and call.command != "VERSION":
            where = f"CNI_PATH is {_shown(call, 'CNI_PATH')}"
            yield call, "" if call.in_path else f"{where}; no {call.plugin} lies in it."


@rule("runtime/execution/1", otherwise="no request configuration was recorded")
def executable_is_the_one_of_the_type(seen: Recording) -> Findings:
    """The name of the file is all that links the two."""
    for call in seen.calls:
        request = call.request
        if request is not None and call.command != "VERSION":
            type = request.get("type")
            same = type == call.plugin
            yield call, "" if same else f"{call.plugin} was given a configuration of type {type!r}."


@rule("runtime/execution/2", otherwise="the namespaces of the calls could not be seen")
def plugin_runs_in_the_domain_of_the_runtime(seen: Recording) -> Findings:
    """The domain may be another one than the calling process has, but there is only one.

    When the target is the caller's own namespace, another rule speaks of it.
    """
    home = next((call.netns for call in seen.calls if call.netns is not None), None)
    for call in seen.calls:
        if call.netns is None:
            continue
        problem = ""
        if call.netns != call.parent_netns:
            if call.netns == call.target.get("inode"):
                problem = "It ran in the namespace that CNI_NETNS names."
            elif call.netns != home:
                problem = f"It ran in the namespace {call.netns}, the first call in {home}."
        yield call, problem


@rule("runtime/execution/3", otherwise="no call was recorded")
def standard_input_is_one_whole_object(seen: Recording) -> Findings:
    """A plugin reads up to the end of the input; without an end it waits for ever."""
    for call in seen.calls:
        problem = ""
        if not call.stdin_closed:
            problem = "Standard input did not come to its end."
        elif call.request is None:
            begin = call.stdin[:80]
            problem = f"Standard input is no JSON object: {begin!r}."
        yield call, problem


@rule("runtime/execution/4", otherwise="no call was recorded")
def no_descriptors_are_left_open(seen: Recording) -> Findings:
    """Go's runtime and Python close what they open; shells and C programs may not."""
    for call in seen.calls:
        leaked = {fd: what for fd, what in call.descriptors.items() if fd not in _STANDARD}
        shown = ", ".join(f"{fd} ({what})" for fd, what in leaked.items())
        yield call, f"It inherited the descriptors {shown}." if leaked else ""


def _missing(call: Call, *names: str) -> str:
    missing = [name for name in names if not call.env.get(name)]
    return f"{' and '.join(missing)} {_be(missing)} not set, or empty." if missing else ""


def _superfluous(call: Call) -> str:
    given = [name for name in OF_ATTACHMENT if call.env.get(name)]
    return f"{' and '.join(given)} {_be(given)} set." if given else ""


def _be(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _is_ifname(name: str) -> bool:
    is_plain = not any(each in "/:" or each.isspace() for each in name)
    return is_plain and name not in {".", ".."} and len(name.encode("utf-8", "replace")) <= 15


def _is(call: Call, name: str) -> str:
    return f"{name} is {_shown(call, name)}."


def _shown(call: Call, name: str) -> str:
    return repr(call.env[name]) if name in call.env else "not set"
