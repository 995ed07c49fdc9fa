"""The operations of a runtime: a network's plugins, the cache and the locks brought together."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from io import FileIO
from typing import Any, BinaryIO, Final, cast

import attrs

from cnisdk import errors, versions
from cnisdk._names import Attachment
from cnisdk.runtime._cache import DEFAULT_CACHE_DIR, Cache, CachedAttachment
from cnisdk.runtime._chain import Chain
from cnisdk.runtime._failures import DamagedEntry, raise_together
from cnisdk.runtime._loading import DEFAULT_CONF_DIR, load_named, parse
from cnisdk.runtime._locks import Locks
from cnisdk.runtime._network import NetworkList
from cnisdk.runtime._plugins import Plugins, VersionInfo
from cnisdk.runtime._refusals import require_known_version, require_other_netns, require_same
from cnisdk.runtime._request import Parameters


DEFAULT_CNI_PATH: Final = "/opt/cni/bin"
DEFAULT_SECONDS: Final = 60.0
"""More than the plugins of this SDK give themselves, so that they end, and undo, on their own."""


class Runtime:
    """Attaches containers to networks: the part of a container runtime that CNI describes.

    One object can serve many threads; several processes can share the directories.

    Args:
        cni_path: Directories with plugins: a list, or separated by colons.
        cache_dir: Where attachments are remembered, in libcni's format.
        conf_dir: Where `network` looks for configurations.
        seconds: How long one plugin may take, and how long to wait for a lock.
        env: The environment plugins inherit; this process's by default.
        stderr: Gets what plugins write to stderr; descriptor 2 by default.
        warn: Gets one line for whatever is wrong but does not make an operation fail; written to
            stderr by default.
    """

    def __init__(
        self,
        cni_path: str | Sequence[str] = DEFAULT_CNI_PATH,
        *,
        cache_dir: str = DEFAULT_CACHE_DIR,
        conf_dir: str = DEFAULT_CONF_DIR,
        seconds: float = DEFAULT_SECONDS,
        env: Mapping[str, str] | None = None,
        stderr: BinaryIO | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        path = cni_path if isinstance(cni_path, str) else ":".join(cni_path)
        stream = stderr or cast("BinaryIO", FileIO(2, "w", closefd=False))
        inherited = os.environ if env is None else env
        self.conf_dir = conf_dir
        self.cache: Cache = Cache(cache_dir)
        """The attachments this runtime and others with the same directory have made."""
        self._warn = warn or _print_warning
        self._inherited = inherited
        self._plugins = Plugins(path, inherited, stream, seconds)
        self._locks = Locks(cache_dir, seconds, self._warn)

    def network(self, name: str) -> NetworkList:
        """The network of this name in the configuration directory; see `load_named`."""
        network = load_named(self.conf_dir, name)
        for warning in network.warnings:
            self._warn(f"passed over {warning}")
        return network

    def recorded(self, name: str, parameters: Parameters) -> NetworkList | None:
        """The network as it was when an attachment was added; None when nothing is known of that.

        Raises:
            errors.CniError: what the cache holds cannot be read.
        """
        attachment = parameters.of(name)
        entry = self.cache.read(attachment)
        if entry is None or not entry.config:
            return None
        return parse(entry.config, f"cached configuration of {attachment}")

    # ---- ADD ------------------------------------------------------------------------------------

    def add(
        self, network: NetworkList, parameters: Parameters, *, rollback: bool = True
    ) -> dict[str, Any]:
        """Attach a container.

        What an earlier ADD left that failed, or that was lost in a reboot, is deleted first.

        Args:
            network: The network.
            parameters: The attachment.
            rollback: Run DEL over the network when a plugin fails (SPEC section 3: "A delete must
                still be executed even if the add fails"). Without it that is the caller's part, and
                the cache keeps what `delete` needs for it.

        Returns:
            The last plugin's result, in the network's version.

        Raises:
            PluginFailed: a plugin failed; failures of the rollback are notes on it.
            errors.InvalidNetns: the namespace is this process's own (code 8).
            errors.CniError: something is wrong before any plugin was run, or the cache cannot be
                written.
        """
        attachment = parameters.of(network.name)
        require_known_version(network)
        require_other_netns(parameters, self._inherited)
        chain = self._chain(network)
        parameters = parameters.or_else("", (), {})
        entry = CachedAttachment(
            attachment=attachment,
            netns=parameters.netns or "",
            args=parameters.args or (),
            capability_args=parameters.capability_args or {},
            config=network.encoded(),
            complete=False,
        )

        def remember(result: dict[str, Any], complete: bool) -> None:  # noqa: FBT001  # called by position
            nonlocal entry
            entry = attrs.evolve(entry, result=result, complete=complete)
            self.cache.write(entry)

        with self._locks.attachment(network.name, attachment.container_id):
            chain.require_all("ADD")
            self._make_way(attachment, network)
            # First of all, so that DEL and GC find what a crash leaves.
            self.cache.write(entry)
            try:
                chain.add(parameters, remember)
            except BaseException as failure:
                if rollback:
                    self._roll_back(chain, parameters, entry, failure)
                raise
        return dict(entry.result or {})

    def _make_way(self, attachment: Attachment, network: NetworkList) -> None:
        """Delete what is left of an ADD that did not end well; refuse to add a second time."""
        try:
            entry = self.cache.read(attachment)
        except DamagedEntry as failure:
            self._warn(f"{failure}; it will be overwritten")
            return
        if entry is None:
            return
        if entry.complete and not entry.lost_at_reboot:
            # Plugins would refuse too, but then the rollback would end the existing attachment.
            raise errors.InvalidEnvironment(
                f"{attachment} is attached already",
                details=f"delete it first (SPEC section 3); known from {self.cache.directory}",
            )
        raise_together(f"leftovers of {attachment}", self._delete_cached(entry, network))

    def _roll_back(
        self,
        chain: Chain,
        parameters: Parameters,
        entry: CachedAttachment,
        failure: BaseException,
    ) -> None:
        failures = chain.delete(parameters, entry.result)
        for each in failures:
            failure.add_note(f"rollback: {each}")
        if failures:
            failure.add_note(f"rollback: not complete; DEL of {entry.attachment} is still needed")
            return
        try:
            self.cache.remove(entry.attachment)
        except errors.CniError as problem:
            failure.add_note(f"rollback: {problem}")

    # ---- CHECK ----------------------------------------------------------------------------------

    def check(self, network: NetworkList, parameters: Parameters) -> None:
        """Ask every plugin whether the attachment is as ADD left it; stops at the first error.

        Raises:
            errors.IncompatibleVersion: the network's version is below 0.4.0 (code 1).
            errors.UnknownContainer: nothing is known of an ADD (code 3).
            errors.InvalidEnvironment: a parameter differs from what ADD had (code 4).
            PluginFailed: a plugin found something wrong.
        """
        attachment = parameters.of(network.name)
        if not versions.has_check(network.version):
            raise errors.IncompatibleVersion(
                f'configuration version "{network.version}" does not support the CHECK command',
                details="CHECK came with 0.4.0",
            )
        if network.disable_check:
            return
        with self._locks.container(attachment.container_id):
            entry = self.cache.read(attachment)
            if entry is None or entry.result is None:
                raise errors.UnknownContainer(
                    f"{attachment} is not known: its ADD left no result in {self.cache.directory}"
                )
            if not entry.complete:
                raise errors.CniError(
                    f"ADD of {attachment} did not come to its end",
                    details="delete it, add it again",
                )
            require_same(parameters, entry)
            parameters = parameters.or_else(entry.netns, entry.args, entry.capability_args)
            self._chain(network).check(parameters, entry.result)

    # ---- DEL ------------------------------------------------------------------------------------

    def delete(self, network: NetworkList, parameters: Parameters) -> None:
        """Detach a container, whether or not anything is known of it.

        Every plugin is run, in reverse order, also after one that fails. The cache forgets the
        attachment when all have succeeded.

        Raises:
            PluginFailed: one plugin failed.
            SeveralFailed: several did.
        """
        attachment = parameters.of(network.name)
        with self._locks.attachment(network.name, attachment.container_id):
            entry = self._known(attachment)
            if entry is not None:
                parameters = parameters.or_else(entry.netns, entry.args, entry.capability_args)
            parameters = parameters.or_else("", (), {})
            result = None if entry is None else entry.result
            failures = self._chain(network).delete(parameters, result)
            raise_together(f'network "{network.name}": DEL of {attachment}', failures)
            self._forget(attachment)

    def _known(self, attachment: Attachment) -> CachedAttachment | None:
        """Cached facts for DEL, which does without when they are damaged (cni#1055)."""
        try:
            return self.cache.read(attachment)
        except errors.CniError as failure:
            self._warn(f"{failure}; DEL goes on without prevResult")
            return None

    def _forget(self, attachment: Attachment) -> None:
        try:
            self.cache.remove(attachment)
        except errors.CniError as failure:
            self._warn(str(failure))

    def _delete_cached(
        self, entry: CachedAttachment, today: NetworkList
    ) -> Sequence[errors.CniError]:
        """DEL with the configuration and parameters of the time of ADD (W-LIB-17)."""
        attachment = entry.attachment
        network = today
        if entry.config:
            try:
                network = parse(entry.config, f"cached configuration of {attachment}")
            except errors.CniError as failure:
                self._warn(f"{failure}; DEL goes on with today's")
        parameters = Parameters(attachment.container_id, ifname=attachment.ifname)
        parameters = parameters.or_else(entry.netns, entry.args, entry.capability_args)
        failures = self._chain(network).delete(parameters, entry.result)
        if not failures:
            self._forget(attachment)
        return failures

    # ---- GC, STATUS, VERSION --------------------------------------------------------------------

    def gc(
        self,
        network: NetworkList,
        valid: Collection[tuple[str, str]] | None,
        *,
        everything: bool = False,
    ) -> None:
        """Remove what belongs to no valid attachment.

        Attachments of the cache that are not valid are deleted, with the configuration they were
        added with; then every plugin is told the valid ones. Goes on after an error.

        Args:
            network: The network.
            valid: Container id and interface name of every attachment to keep.
            everything: Needed with ``valid=None``: keep none.

        Raises:
            errors.InvalidConfig: neither valid attachments nor ``everything`` (code 7).
            errors.CniError: one thing failed; `SeveralFailed` when several did.
        """
        if valid is None and not everything:
            raise errors.InvalidConfig(
                f'GC of network "{network.name}": no list of valid attachments',
                details="name the attachments to keep, or ask for everything to be removed",
            )
        if network.disable_gc:
            return
        keep = frozenset(Attachment(network.name, *pair) for pair in valid or ())
        with self._locks.network(network.name):
            failures = self._collect_cached(network, keep)
            if versions.has_gc(network.version):
                failures += self._chain(network).gc(keep)
        raise_together(f'network "{network.name}": GC', failures)

    def _collect_cached(
        self, network: NetworkList, keep: Collection[Attachment]
    ) -> list[errors.CniError]:
        try:
            entries, warnings = self.cache.entries(network.name)
        except errors.CniError as failure:
            return [failure]  # W-LIB-17: no success; the plugins get their GC none the less
        for warning in warnings:
            self._warn(str(warning))
        failures: list[errors.CniError] = []
        for entry in entries:
            if entry.attachment in keep:
                continue
            try:
                with self._locks.container(entry.attachment.container_id):
                    failures += self._delete_cached(entry, network)
            except errors.CniError as failure:
                failures.append(failure)
        return failures

    def status(self, network: NetworkList) -> None:
        """Ask whether every plugin could serve ADD; stops at the first that could not.

        Raises:
            PluginFailed: with the plugin's own code, 50 or 51; 50 also when it is not installed.
        """
        if versions.has_status(network.version):
            self._chain(network).status()

    def version(self, plugin_type: str) -> VersionInfo:
        """The versions of the specification a plugin supports.

        Raises:
            errors.CniError: it cannot be found or run, or gives no sensible answer.
        """
        return self._plugins.version(plugin_type)

    def validate(self, network: NetworkList) -> frozenset[str]:
        """Whether every plugin is there and supports the network's version.

        Returns:
            The capabilities the network can be given arguments for.

        Raises:
            PluginFailed: one plugin is missing, or does not support the version.
            SeveralFailed: several are or do.
        """
        return self._chain(network).validate()

    def _chain(self, network: NetworkList) -> Chain:
        return Chain(network, self._plugins, self._warn)


def _print_warning(line: str) -> None:
    sys.stderr.write(f"warning: {line}\n")
