"""Running one plugin for the runtime, and the errors that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, Final, cast

import attrs

from cnisdk import errors, versions
from cnisdk._deadline import Deadline
from cnisdk._result_json import decode, encode
from cnisdk.runtime._failures import PluginFailed
from cnisdk.runtime._network import NetworkList
from cnisdk.runtime._request import Parameters, encoded, environment


_PROBE: Final = Parameters("dummy", "dummy", "dummy")
"""Plugins from before VERSION want these set before they find that they do not know it."""


@attrs.frozen
class VersionInfo:
    """What a plugin answers to VERSION."""

    cni_version: str
    """The version it echoed."""
    supported: tuple[str, ...]
    """The versions it supports."""


@attrs.frozen
class Plugins:
    """The plugins in CNI_PATH."""

    cni_path: str
    inherited: Mapping[str, str] = attrs.field(repr=False)
    """The runtime's environment."""
    stderr: BinaryIO
    seconds: float
    """How long one plugin may take."""

    def find(self, plugin_type: str) -> str:
        """The plugin's executable."""
        from cnisdk import _exec

        return _exec.find(plugin_type, self.cni_path)

    def call(
        self,
        network: NetworkList,
        plugin_type: str,
        verb: str,
        request: Mapping[str, Any],
        parameters: Parameters | None = None,
    ) -> dict[str, Any]:
        """Run one verb of one plugin.

        Returns:
            The result of ADD in the network's version; {} for other verbs.

        Raises:
            PluginFailed: whatever went wrong; names plugin, network and verb.
        """
        try:
            env = environment(self.inherited, verb, self.cni_path, parameters)
            stdin = encoded(request, "request configuration")
            adds = verb == "ADD"
            document = self._run(plugin_type, env, stdin, network.version, wants_result=adds)
            if adds:
                return in_version(document, network.version, f"result of {plugin_type}")
        except errors.CniError as failure:
            raise PluginFailed(failure, plugin_type, network.name, verb) from failure
        return document

    def version(self, plugin_type: str) -> VersionInfo:
        """Ask a plugin for the versions it supports.

        Raises:
            errors.CniError: it has no sensible answer.
        """
        env = environment(self.inherited, "VERSION", self.cni_path, _PROBE)
        stdin = encoded({"cniVersion": versions.NEWEST}, "VERSION")
        try:
            document = self._run(plugin_type, env, stdin, None, wants_result=True)
        except errors.DelegateError as failure:
            if failure.msg == "unknown CNI_COMMAND: VERSION":
                return VersionInfo(versions.OLDEST, (versions.OLDEST,))
            raise
        return _version_info(document, plugin_type)

    def _run(
        self,
        plugin_type: str,
        env: Mapping[str, str],
        stdin: bytes,
        version: str | None,
        *,
        wants_result: bool,
    ) -> dict[str, Any]:
        from cnisdk import _exec

        executable = _exec.find(plugin_type, self.cni_path)
        completed = _exec.run(executable, env, stdin, self.stderr, Deadline(self.seconds))
        return _exec.interpret(
            completed,
            plugin_type=plugin_type,
            verb=env["CNI_COMMAND"],
            version=version,
            wants_result=wants_result,
        )


def in_version(document: Mapping[str, Any], version: str, where: str) -> dict[str, Any]:
    """A result document in another version of the specification, checked on the way.

    Raises:
        errors.CniError: it is malformed, or cannot be expressed in that version.
    """
    result = decode(document, version, where=where)
    if document.get("cniVersion") == version:
        return dict(document)  # unchanged, with whatever keys we do not know
    return encode(result, version)


def _version_info(document: Mapping[str, Any], plugin_type: str) -> VersionInfo:
    own, supported = document.get("cniVersion"), document.get("supportedVersions")
    if not isinstance(own, str) or not own:
        raise errors.DecodingFailure(f'plugin "{plugin_type}": VERSION: "cniVersion" missing')
    if not supported and own == "0.2.0":
        supported = ["0.1.0", "0.2.0"]  # 0.2.0 brought VERSION, and a list that could be left out
    if not isinstance(supported, list) or not supported:
        raise errors.DecodingFailure(
            f'plugin "{plugin_type}": VERSION: "supportedVersions" missing or empty'
        )
    entries = cast("list[object]", supported)
    if not all(isinstance(each, str) for each in entries):
        raise errors.DecodingFailure(
            f'plugin "{plugin_type}": VERSION: "supportedVersions": expected strings'
        )
    return VersionInfo(own, tuple(map(str, entries)))
