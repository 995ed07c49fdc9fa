"""What a plugin is sent: the attachment's parameters as environment, a request configuration on stdin.

SPEC section 3, "Attachment Parameters" and "Deriving request configuration".
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, cast

import attrs

from cnisdk import errors
from cnisdk._names import Attachment, ifname_problem, is_identifier, parse_cni_args
from cnisdk.runtime._network import NetworkList, PluginConf, folded


VALID_ATTACHMENTS: Final = "cni.dev/valid-attachments"
ATTACHMENTS: Final = "cni.dev/attachments"
"""What a draft of the specification called it; the Go library sends both."""

Pairs = tuple[tuple[str, str], ...]
_OF_CALL = ("CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH")
_GENERATED = frozenset({"cniversion", "name", "capabilities", "prevresult"})
"""Keys of a plugin configuration that are replaced or must not be sent, in lower case."""


def _pairs(args: Mapping[str, str] | Iterable[tuple[str, str]] | str | None) -> Pairs | None:
    if args is None:
        return None
    if isinstance(args, str):
        return tuple(parse_cni_args(args).items())
    if isinstance(args, Mapping):
        return tuple(cast("Mapping[str, str]", args).items())
    return tuple(args)


@attrs.frozen
class Parameters:
    """The parameters of one attachment.

    CHECK and DEL use what ADD was given for those that are None.
    """

    container_id: str
    """CNI_CONTAINERID."""
    netns: str | None = None
    """Path of the network namespace (CNI_NETNS); "" on DEL when it is gone."""
    ifname: str = "eth0"
    """CNI_IFNAME."""
    args: Pairs | None = attrs.field(default=None, converter=_pairs, kw_only=True)
    """CNI_ARGS: a mapping, pairs, or ``K=V;K2=V2``."""
    capability_args: Mapping[str, Any] | None = attrs.field(default=None, kw_only=True)
    """Capability -> JSON value, for plugins that declare the capability."""

    def of(self, network: str) -> Attachment:
        """The attachment to a network; all three names are checked.

        Raises:
            errors.UnknownContainer: the container id is empty (code 3).
            errors.InvalidEnvironment: a name or argument is malformed (code 4).
        """
        if not self.container_id:
            raise errors.UnknownContainer("missing containerID")
        if not is_identifier(self.container_id):
            raise errors.InvalidEnvironment(
                "invalid characters in containerID", details=self.container_id
            )
        problem = ifname_problem(self.ifname)
        if problem:
            raise errors.InvalidEnvironment(problem, details=self.ifname)
        for key, value in self.args or ():
            if not key or "=" in key or ";" in key + value:
                raise errors.InvalidEnvironment(
                    f'CNI_ARGS: invalid pair "{key}={value}"',
                    details='neither part may hold ";", and the key no "="',
                )
        return Attachment(network, self.container_id, self.ifname)

    def or_else(self, netns: str, args: Pairs, capability_args: Mapping[str, Any]) -> Parameters:
        """The same with what is None filled in."""
        return Parameters(
            self.container_id,
            netns if self.netns is None else self.netns,
            self.ifname,
            args=args if self.args is None else self.args,
            capability_args=capability_args
            if self.capability_args is None
            else self.capability_args,
        )


def container_id_for(netns: str) -> str:
    """The container id the ``cnitool`` command derives from the path of a network namespace."""
    from hashlib import sha512

    return f"cnitool-{sha512(os.fsencode(os.path.abspath(netns))).digest()[:10].hex()}"


def environment(
    inherited: Mapping[str, str], verb: str, cni_path: str, parameters: Parameters | None = None
) -> dict[str, str]:
    """The environment of a plugin: what the runtime inherited, with the CNI variables last.

    Variables that describe an attachment are set for attachments only, whatever was inherited;
    trace variables (TRACEPARENT and others) pass through.
    """
    env = {name: value for name, value in inherited.items() if name not in _OF_CALL}
    env["CNI_COMMAND"] = verb
    if parameters is not None:
        env["CNI_CONTAINERID"] = parameters.container_id
        env["CNI_NETNS"] = parameters.netns or ""
        env["CNI_ARGS"] = ";".join(f"{key}={value}" for key, value in parameters.args or ())
        env["CNI_IFNAME"] = parameters.ifname
    env["CNI_PATH"] = cni_path
    return env


def request(
    network: NetworkList,
    plugin: PluginConf,
    *,
    prev_result: Mapping[str, Any] | None = None,
    capability_args: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The request configuration of one plugin.

    Keys keep their order and numbers their precision (W-LIB-11). ``capabilities`` is left out
    (W-LIB-12), and so is what only the runtime may set.

    Args:
        network: Gives ``name`` and ``cniVersion``, whatever the plugin says.
        plugin: The plugin's configuration.
        prev_result: ``prevResult``; None for none.
        capability_args: Those of them the plugin declares go into ``runtimeConfig``.
    """
    given = capability_args or {}
    declared: Mapping[str, bool] = folded(plugin.document, "capabilities") or {}
    runtime_config = {
        name: given[name] for name, supported in declared.items() if supported and name in given
    }
    replaced = _GENERATED | {"runtimeconfig"} if runtime_config else _GENERATED
    document: dict[str, Any] = {"cniVersion": network.version, "name": network.name}
    document |= {
        key: value
        for key, value in plugin.document.items()
        if key.lower() not in replaced and not key.startswith("cni.dev/")
    }
    if runtime_config:
        document["runtimeConfig"] = runtime_config
    if prev_result is not None:
        document["prevResult"] = prev_result
    return document


def gc_request(
    network: NetworkList, plugin: PluginConf, valid: Collection[Attachment]
) -> dict[str, Any]:
    """The request configuration of GC, with the list of valid attachments under both its names."""
    entries = [{"containerID": each.container_id, "ifname": each.ifname} for each in sorted(valid)]
    return request(network, plugin) | {VALID_ATTACHMENTS: entries, ATTACHMENTS: entries}


def encoded(document: Mapping[str, Any], what: str) -> bytes:
    """JSON for stdin.

    Raises:
        errors.InvalidConfig: a capability argument is no JSON value (code 7).
    """
    try:
        return json.dumps(document, allow_nan=False).encode()
    except (TypeError, ValueError) as failure:
        raise errors.InvalidConfig(f"{what}: cannot be written as JSON: {failure}") from None
