"""The verbs over the plugins of a network, in the order SPEC section 3 gives each of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import attrs

from cnisdk import errors, versions
from cnisdk._names import Attachment
from cnisdk.runtime._failures import PluginFailed, raise_together
from cnisdk.runtime._network import NetworkList
from cnisdk.runtime._plugins import Plugins, in_version
from cnisdk.runtime._request import Parameters, gc_request, request


Result = Mapping[str, Any]


@attrs.frozen
class Chain:
    """The plugins of one network, about to be run."""

    network: NetworkList
    plugins: Plugins
    warn: Callable[[str], None]

    def require_all(self, verb: str) -> None:
        """Look for all plugins before the first one does anything."""
        for plugin in self.network.plugins:
            try:
                self.plugins.find(plugin.type)
            except errors.CniError as failure:
                raise PluginFailed(failure, plugin.type, self.network.name, verb) from failure

    def add(
        self, parameters: Parameters, after_each: Callable[[dict[str, Any], bool], None]
    ) -> None:
        """Run ADD; each plugin gets its predecessor's result.

        Args:
            parameters: The attachment.
            after_each: Told every result, and whether it is the last plugin's.
        """
        previous: dict[str, Any] | None = None
        last = len(self.network.plugins)
        for number, plugin in enumerate(self.network.plugins, start=1):
            document = request(
                self.network,
                plugin,
                prev_result=previous,
                capability_args=parameters.capability_args,
            )
            previous = self.plugins.call(self.network, plugin.type, "ADD", document, parameters)
            after_each(previous, number == last)

    def check(self, parameters: Parameters, result: Result) -> None:
        """Run CHECK; every plugin gets the result of ADD, the first error ends it."""
        previous = in_version(result, self.network.version, "cached result")
        for plugin in self.network.plugins:
            document = request(
                self.network,
                plugin,
                prev_result=previous,
                capability_args=parameters.capability_args,
            )
            self.plugins.call(self.network, plugin.type, "CHECK", document, parameters)

    def delete(self, parameters: Parameters, result: Result | None) -> list[errors.CniError]:
        """Run DEL in reverse order to the end, whatever fails on the way (W-LIB-14).

        Returns:
            What failed.
        """
        previous = self._previous_of_delete(result)
        failures: list[errors.CniError] = []
        for plugin in reversed(self.network.plugins):
            document = request(
                self.network,
                plugin,
                prev_result=previous,
                capability_args=parameters.capability_args,
            )
            try:
                self.plugins.call(self.network, plugin.type, "DEL", document, parameters)
            except PluginFailed as failure:
                # SPEC section 5: with code 3 there is nothing to clean up, which is what DEL wants.
                if failure.code != errors.UnknownContainer.code:
                    failures.append(failure)
        return failures

    def _previous_of_delete(self, result: Result | None) -> dict[str, Any] | None:
        # prevResult on DEL came with 0.4.0.
        if result is None or not versions.at_least(self.network.version, "0.4.0"):
            return None
        try:
            return in_version(result, self.network.version, "cached result")
        except errors.CniError as failure:
            self.warn(f"{failure}; DEL goes on without prevResult")
            return None

    def gc(self, keep: Collection[Attachment]) -> list[errors.CniError]:
        """Run GC on every plugin; returns what failed."""
        failures: list[errors.CniError] = []
        for plugin in self.network.plugins:
            document = gc_request(self.network, plugin, keep)
            try:
                self.plugins.call(self.network, plugin.type, "GC", document)
            except PluginFailed as failure:
                failures.append(failure)
        return failures

    def status(self) -> None:
        """Run STATUS; the first error ends it. A plugin that is not installed is not available."""
        for plugin in self.network.plugins:
            try:
                self.plugins.find(plugin.type)
            except errors.CniError as failure:
                missing = errors.PluginNotAvailable(failure.msg, details=failure.details)
                raise PluginFailed(missing, plugin.type, self.network.name, "STATUS") from failure
            self.plugins.call(self.network, plugin.type, "STATUS", request(self.network, plugin))

    def validate(self) -> frozenset[str]:
        """Check that every plugin supports the network's version; returns the capabilities."""
        failures: list[errors.CniError] = []
        version = self.network.version
        for plugin in self.network.plugins:
            try:
                supported = self.plugins.version(plugin.type).supported
                if version not in supported:
                    raise errors.IncompatibleVersion(
                        f'does not support config version "{version}"',
                        details=f"it supports {', '.join(supported)}",
                    )
            except errors.CniError as failure:
                failures.append(PluginFailed(failure, plugin.type, self.network.name, "VERSION"))
        raise_together(f'network "{self.network.name}"', failures)
        return frozenset(name for plugin in self.network.plugins for name in plugin.capabilities)
