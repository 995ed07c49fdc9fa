"""One invocation of a plugin: what was given, and what it has opened."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from cnisdk import errors
from cnisdk._names import parse_cni_args


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline
    from cnisdk._log import Log
    from cnisdk._names import Attachment
    from cnisdk._net import Namespace
    from cnisdk._rollback import Rollback
    from cnisdk._system import System


class Call(NamedTuple):
    """One invocation, after environment and stdin have been read and found in order."""

    verb: str
    env: Mapping[str, str]
    stdin: bytes
    stderr: BinaryIO
    document: Mapping[str, Any]
    """The configuration as given, keys untouched."""
    version: str
    network_name: str
    attachment: Attachment | None
    deadline: Deadline
    rollback: Rollback
    log: Log
    system: System
    opened: ExitStack
    """Closes what the call has opened, when it ends."""
    is_ipam: bool = False

    def args(self) -> Mapping[str, str]:
        """CNI_ARGS; read when wanted, for who takes no arguments has nothing to say about their form.

        Raises:
            errors.InvalidEnvironment: malformed (code 4); DEL goes on without them.
        """
        try:
            return parse_cni_args(self.env.get("CNI_ARGS", ""))
        except errors.InvalidEnvironment:
            if self.verb == "DEL":
                return {}
            raise

    def host(self) -> Namespace:
        """The namespace the plugin runs in."""
        namespace = self.system.host(
            owner=self.attachment, rollback=self.rollback, deadline=self.deadline
        )
        self.opened.callback(namespace.close)
        return namespace

    def container(self, path: str) -> Namespace:
        """A container's namespace, opened.

        Raises:
            errors.InvalidNetns: the path is missing or names no network namespace (code 8).
        """
        namespace = self.system.container(
            path, owner=self.attachment, rollback=self.rollback, deadline=self.deadline
        )
        self.opened.callback(namespace.close)
        return namespace
