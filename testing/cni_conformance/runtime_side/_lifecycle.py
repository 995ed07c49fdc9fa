"""Rules about the order of calls: chains, attachments from ADD to DEL, and what may run side by side."""

from __future__ import annotations

from typing import Any, cast

from cni_conformance.runtime_side._call import Call, Json, Operation, pairs
from cni_conformance.runtime_side._recording import Recording
from cni_conformance.runtime_side._request import VALID, is_list_of_attachments
from cni_conformance.runtime_side._rule import Findings, rule


@rule("runtime/lifecycle/1", otherwise="the namespaces of no ADD could be seen")
def namespace_exists_at_add(seen: Recording) -> Findings:
    """What is missing altogether is reported by the rule on parameters."""
    for call in seen.of("ADD"):
        if not call.env.get("CNI_NETNS") or call.target.get("exists") is None:
            continue
        problem = ""
        if not call.target.get("exists"):
            problem = "does not exist"
        elif not call.target.get("is_netns"):
            problem = "is no network namespace"
        path = call.env["CNI_NETNS"]
        yield call, f"CNI_NETNS is {path!r}, which {problem}." if problem else ""


@rule("runtime/lifecycle/2", otherwise="the namespaces of no ADD could be seen")
def namespace_is_not_the_runtimes(seen: Recording) -> Findings:
    """Where the plugin was run in another one than its caller's, the rule on execution speaks."""
    for call in seen.of("ADD"):
        inode = call.target.get("inode")
        if call.target.get("is_netns") and call.netns is not None:
            home = call.netns if call.parent_netns is None else call.parent_netns
            path = call.env.get("CNI_NETNS")
            yield call, f"CNI_NETNS is {path!r}, the runtime's own." if inode == home else ""


@rule("runtime/lifecycle/3", otherwise="no two operations on one container were recorded")
def one_operation_at_a_time_for_a_container(seen: Recording) -> Findings:
    """Two of one attachment, or of two."""
    of_container: dict[str, list[Operation]] = {}
    for each in seen.operations:
        if each.container:
            of_container.setdefault(each.container, []).append(each)
    for operations in of_container.values():
        for first, second in pairs(operations):
            names = f"{_name(second)} began before {_name(first)} had ended"
            yield second.calls[0], f"{names}." if first.overlaps(second) else ""


@rule("runtime/lifecycle/4", otherwise="no GC beside ADD or DEL was recorded")
def gc_runs_alone(seen: Recording) -> Findings:
    """Of the operations on one network."""
    operations = seen.operations_on("ADD", "DEL", "GC")
    for first, second in pairs(operations):
        if "GC" in {first.command, second.command} and first.command != second.command:
            names = f"{_name(second)} began before {_name(first)} had ended"
            yield second.calls[0], f"{names}." if first.overlaps(second) else ""


@rule("runtime/lifecycle/5", otherwise="no ADD failed; tell a recording plugin to fail")
def delete_follows_a_failed_add(seen: Recording) -> Findings:
    """Before another ADD, and before the end."""
    for added in seen.operations_on("ADD"):
        if added.succeeded or seen.is_cut_short(added):
            continue
        commands = [
            each.command
            for each in seen.operations
            if each.attachment == added.attachment and each.started > added.started
        ]
        problem = f"After ADD had failed came {commands[0] if commands else 'nothing'}."
        until = commands.index("ADD") if "ADD" in commands else len(commands)
        yield added.calls[-1], "" if "DEL" in commands[:until] else problem


@rule("runtime/lifecycle/6", otherwise="no ADD was recorded")
def add_comes_once_for_an_attachment(seen: Recording) -> Findings:
    """One that failed is no attachment yet, and needs a DEL all the same: another rule."""
    for operation in seen.operations_on("ADD"):
        before = seen.last_add(operation)
        is_up = (
            before is not None and before.succeeded and not _was_deleted(seen, before, operation)
        )
        yield operation.calls[0], "It was ADDed already, and not DELed since." if is_up else ""


@rule("runtime/lifecycle/7", otherwise="no CHECK was recorded")
def check_is_between_add_and_delete(seen: Recording) -> Findings:
    """Of a complete ADD."""
    for operation in seen.operations_on("CHECK"):
        added = seen.last_add(operation)
        problem = ""
        if added is None:
            problem = "It was not ADDed before."
        elif not added.succeeded:
            problem = "Its ADD had failed."
        elif _was_deleted(seen, added, operation):
            problem = "It was DELed before."
        yield operation.calls[0], problem


@rule("runtime/lifecycle/8", otherwise="no GC after an ADD was recorded")
def gc_is_no_substitute_for_delete(seen: Recording) -> Findings:
    """An attachment that is left off the list has been DELed; one whose ADD failed is none."""
    for operation in seen.operations_on("GC"):
        call = operation.calls[0]
        listed = _listed(call)
        added = [
            each
            for each in seen.operations_on("ADD")
            if each.succeeded and each.ended <= operation.started
        ]
        if listed is None or not added:
            continue
        dropped = {
            "/".join(each.attachment[1:])
            for each in added
            if each.attachment[1:] not in listed and not _was_deleted(seen, each, operation)
        }
        names = ", ".join(sorted(dropped))
        yield call, f"{names} was ADDed, not DELed, and is not in the list." if dropped else ""


@rule("runtime/gc/2", otherwise="no GC after an ADD and a DEL was recorded")
def gc_does_not_list_what_was_deleted(seen: Recording) -> Findings:
    """One whose DEL failed may stay: the runtime will try again."""
    for operation in seen.operations_on("GC"):
        call = operation.calls[0]
        listed = _listed(call)
        before = [each for each in seen.operations if each.ended <= operation.started]
        # What happened to each attachment last.
        last = {each.attachment: each for each in before if each.attachment[0] == seen.network}
        gone = {
            attachment[1:]
            for attachment, each in last.items()
            if each.command == "DEL" and each.succeeded and seen.is_complete(each)
        }
        if listed is None or not gone:
            continue
        stale = ", ".join(sorted("/".join(each) for each in gone & listed))
        yield call, f"{stale} was DELed, and is in the list." if stale else ""


# -- the chain ---------------------------------------------------------------------------------------


@rule("runtime/chain/1", otherwise="no ADD of the network was recorded")
def add_goes_through_the_list(seen: Recording) -> Findings:
    """To the end, or to the first failure."""
    for operation in _alone(seen, "ADD"):
        yield _in_order(seen, operation, seen.types)


@rule("runtime/chain/2", otherwise="no ADD of a plugin that is not the last failed")
def add_ends_at_a_failure(seen: Recording) -> Findings:
    """No later plugin is run."""
    for operation in _alone(seen, "ADD"):
        failed = next((n for n, call in enumerate(operation.calls) if not call.succeeded), None)
        if failed is None or len(operation.calls[: failed + 1]) == len(seen.types):
            continue
        later = operation.calls[failed + 1 :]
        first = operation.calls[failed].plugin
        names = ", ".join(each.plugin for each in later)
        call = later[0] if later else operation.calls[failed]
        yield call, f"{first} failed, and {names} was run after it." if later else ""


@rule("runtime/chain/3", otherwise="no DEL of the network was recorded")
def delete_goes_backwards(seen: Recording) -> Findings:
    """To the end, or to the first failure; going on after one does no harm."""
    for operation in _alone(seen, "DEL"):
        yield _in_order(seen, operation, seen.types[::-1])


@rule("runtime/chain/4", otherwise="no CHECK of the network was recorded")
def check_goes_through_the_list(seen: Recording) -> Findings:
    """To the end, or to the first failure."""
    for operation in _alone(seen, "CHECK"):
        yield _in_order(seen, operation, seen.types)


@rule("runtime/chain/5", otherwise="no GC was recorded")
def gc_reaches_every_plugin(seen: Recording) -> Findings:
    """Also after a failure."""
    for operation in _alone(seen, "GC"):
        missing = [each for each in seen.types if each not in _plugins(operation)]
        problem = f"{', '.join(missing)} was not called."
        yield operation.calls[-1], problem if missing else ""


# -- parameters from ADD to DEL ----------------------------------------------------------------------


@rule("runtime/attachment/1", otherwise="no CHECK after an ADD was recorded")
def check_has_the_parameters_of_add(seen: Recording) -> Findings:
    """All but CNI_PATH; a missing CNI_NETNS is reported by the rule on parameters."""
    yield from _with_add(seen, "CHECK")


@rule("runtime/attachment/2", otherwise="no DEL after an ADD was recorded")
def delete_has_the_parameters_of_add(seen: Recording) -> Findings:
    """CNI_NETNS may be empty: the namespace may be gone."""
    yield from _with_add(seen, "DEL")


# -- the configuration's wishes ----------------------------------------------------------------------


@rule("runtime/configuration/1", otherwise="the configuration does not set disableCheck")
def disable_check_is_respected(seen: Recording) -> Findings:
    """No CHECK at all."""
    if seen.conflist.get("disableCheck") is True:
        yield from _none_of(seen, "CHECK", "disableCheck")


@rule("runtime/configuration/2", otherwise="the configuration does not set disableGC")
def disable_gc_is_respected(seen: Recording) -> Findings:
    """No GC at all."""
    if seen.conflist.get("disableGC") is True:
        yield from _none_of(seen, "GC", "disableGC")


# -- what they share ---------------------------------------------------------------------------------


def _alone(seen: Recording, command: str) -> list[Operation]:
    """Operations whose calls are certainly theirs, and all of them."""
    return [
        each
        for each in seen.operations_on(command)
        if each.alone and (seen.is_complete(each) or not seen.is_cut_short(each))
    ]


def _plugins(operation: Operation) -> list[str]:
    return [call.plugin for call in operation.calls]


def _name(operation: Operation) -> str:
    return " ".join(filter(None, [operation.command, *operation.attachment[1:]]))


def _in_order(seen: Recording, operation: Operation, types: list[str]) -> tuple[Call, str]:
    called = _plugins(operation)
    may_end = not operation.succeeded or _was_given_up(seen, operation)
    expected = types[: len(called)] if may_end else types
    problem = f"The plugins were called as {', '.join(called)}; expected {', '.join(expected)}."
    return operation.calls[0], "" if called == expected else problem


def _was_given_up(seen: Recording, operation: Operation) -> bool:
    """Whether DEL came next: a runtime that was cancelled, or killed, cleans up."""
    later = [
        each
        for each in seen.operations
        if each.attachment == operation.attachment and each.started > operation.started
    ]
    return bool(later) and later[0].command == "DEL"


def _was_deleted(seen: Recording, added: Operation, until: Operation) -> bool:
    return any(each.command == "DEL" for each in seen.since(added, until))


def _listed(call: Call) -> set[tuple[str, str]] | None:
    """The valid attachments of a GC; None when it has no proper list of them: another rule."""
    valid: Any = (call.request or {}).get(VALID)
    if not is_list_of_attachments(valid):
        return None
    return {(row["containerID"], row["ifname"]) for row in cast("list[Json]", valid)}


def _with_add(seen: Recording, command: str) -> Findings:
    for operation in _alone(seen, command):
        added = seen.last_add(operation)
        if added is not None:
            for call in operation.calls:
                yield call, _changed(call, added)


def _changed(call: Call, added: Operation) -> str:
    first = next((each for each in added.calls if each.plugin == call.plugin), added.calls[0])
    changed: list[str] = []
    netns, args = call.env.get("CNI_NETNS", ""), call.env.get("CNI_ARGS", "")
    was_netns, was_args = first.env.get("CNI_NETNS", ""), first.env.get("CNI_ARGS", "")
    if netns and netns != was_netns:
        changed.append(f"CNI_NETNS is {netns!r}, at ADD it was {was_netns!r}")
    # The order of the pairs means nothing; Go's maps have none.
    if sorted(args.split(";")) != sorted(was_args.split(";")):
        changed.append(f"CNI_ARGS is {args!r}, at ADD it was {was_args!r}")
    if first.plugin == call.plugin:
        now, then = (_runtime_config(each) for each in (call, first))
        if now != then:
            changed.append(f"runtimeConfig is {now}, at ADD it was {then}")
    return f"{'; '.join(changed)}." if changed else ""


def _runtime_config(call: Call) -> Any:
    return (call.request or {}).get("runtimeConfig") or {}


def _none_of(seen: Recording, command: str, key: str) -> Findings:
    """Looked at are the calls of the network; without any, nothing was seen."""
    for call, _ in seen.requests():
        yield call, f"{command} was called, although {key} is true." * (call.command == command)
