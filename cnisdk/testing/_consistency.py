"""Refuses tests that no runtime could bring about, and handlers that no type checker caught."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from cnisdk import versions
from cnisdk._result import Result
from cnisdk.testing._errors import ImpossibleScenario


if TYPE_CHECKING:
    from cnisdk._plugin import AnyPlugin
    from cnisdk.testing._runtime import Runtime
    from cnisdk.testing._state import HostState


def check_scenario(
    verb: str, runtime: Runtime, state: HostState, prev_result: Result | None
) -> None:
    """Raise `ImpossibleScenario` when no runtime would make this call.

    Args:
        verb: What is about to run.
        runtime: With which configuration and ids.
        state: On which machine.
        prev_result: With which earlier result.
    """
    if verb == "CHECK":
        if not versions.has_check(runtime.cni_version):
            raise ImpossibleScenario(f"CHECK came with 0.4.0, not with {runtime.cni_version}")
        if prev_result is None:
            raise ImpossibleScenario("a runtime sends the result of ADD with CHECK")
    if verb in {"GC", "STATUS"} and not versions.has_gc(runtime.cni_version):
        raise ImpossibleScenario(f"{verb} came with 1.1.0, not with {runtime.cni_version}")
    if verb in {"ADD", "CHECK"} and runtime.netns not in state.namespaces:
        raise ImpossibleScenario(f"the state has no namespace {runtime.netns}")
    _check_result(prev_result)
    _check_links(state)


def _check_result(result: Result | None) -> None:
    if result is None:
        return
    for ip in result.ips:
        if ip.interface is not None and not 0 <= ip.interface < len(result.interfaces):
            raise ImpossibleScenario(
                f"prevResult: {ip.address} is on interface {ip.interface}, but there are "
                f"{len(result.interfaces)} interfaces"
            )


def _check_links(state: HostState) -> None:
    spaces: Mapping[str, Any] = {"": state.host, **state.namespaces}
    for path, space in spaces.items():
        for name, link in space.links.items():
            where = f"{name} in {path or 'the host'}"
            if link.master and link.master not in space.links:
                raise ImpossibleScenario(f"{where}: its master {link.master} does not exist")
            if link.peer is not None:
                peer_space = spaces.get(link.peer[0])
                if peer_space is None or link.peer[1] not in peer_space.links:
                    raise ImpossibleScenario(f"{where}: its peer {link.peer} does not exist")


def check_annotations(plugin: type[AnyPlugin]) -> None:
    """Raise TypeError when a handler's annotation names another configuration than the class.

    Class creation sees only the text of annotations; here they are resolved.
    """
    for verb, name in plugin.handlers.items():
        hints = get_type_hints(getattr(plugin, name))
        hints.pop("return", None)
        for operation in hints.values():
            arguments = get_args(operation)
            if not arguments or not isinstance(arguments[0], type):
                continue
            if not issubclass(plugin.config_class, arguments[0]):
                raise TypeError(
                    f"{plugin.__qualname__}.{name} handles {verb} for the configuration "
                    f"{arguments[0].__qualname__}, but the class is declared with "
                    f"{plugin.config_class.__qualname__}"
                )
