"""The machine a call works on, as one object that tests can replace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO, Protocol

from cnisdk._environment import is_own_netns


if TYPE_CHECKING:
    from cnisdk._answer import Completed
    from cnisdk._deadline import Deadline
    from cnisdk._names import Attachment
    from cnisdk._net import Namespace
    from cnisdk._rollback import Rollback


class System(Protocol):
    """Network namespaces and delegated plugins."""

    def host(
        self, *, owner: Attachment | None, rollback: Rollback | None, deadline: Deadline
    ) -> Namespace:
        """The namespace the plugin runs in."""
        ...

    def container(
        self, path: str, *, owner: Attachment | None, rollback: Rollback | None, deadline: Deadline
    ) -> Namespace:
        """Open the namespace of a container once; it is used by descriptor from then on.

        Raises:
            errors.InvalidNetns: the path is missing or names no network namespace (code 8).
        """
        ...

    def is_own_netns(self, path: str) -> bool:
        """Whether the path names the namespace the plugin itself runs in."""
        ...

    def run_delegate(
        self,
        plugin_type: str,
        env: Mapping[str, str],
        stdin: bytes,
        stderr: BinaryIO,
        deadline: Deadline,
    ) -> Completed:
        """Find a delegated plugin in CNI_PATH and run it."""
        ...


class KernelSystem:
    """The real machine."""

    def host(
        self, *, owner: Attachment | None, rollback: Rollback | None, deadline: Deadline
    ) -> Namespace:
        """The namespace the plugin runs in."""
        from cnisdk._net import host_namespace

        return host_namespace(owner=owner, rollback=rollback, deadline=deadline)

    def container(
        self, path: str, *, owner: Attachment | None, rollback: Rollback | None, deadline: Deadline
    ) -> Namespace:
        """Open the namespace of a container."""
        from cnisdk._net import open_namespace

        return open_namespace(path, owner=owner, rollback=rollback, deadline=deadline)

    def is_own_netns(self, path: str) -> bool:
        """Whether the path names the namespace the plugin itself runs in."""
        return is_own_netns(path)

    def run_delegate(
        self,
        plugin_type: str,
        env: Mapping[str, str],
        stdin: bytes,
        stderr: BinaryIO,
        deadline: Deadline,
    ) -> Completed:
        """Run a delegate: in this process when it is a launcher of ours, else by exec."""
        from cnisdk import _exec, _launcher

        executable = _exec.find(plugin_type, env.get("CNI_PATH", ""))
        target = _launcher.target_of(executable)
        if target is not None:
            return _launcher.run_in_process(target, env, stdin, stderr)
        return _exec.run(executable, env, stdin, stderr, deadline)
