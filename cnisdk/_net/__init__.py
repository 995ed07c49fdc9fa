"""Kernel work: network namespaces and what is in them."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from cnisdk import errors
from cnisdk._net._namespace import Namespace
from cnisdk._net._types import Link, Veth


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline
    from cnisdk._names import Attachment
    from cnisdk._net._firewall import Firewall
    from cnisdk._rollback import Rollback

__all__ = [
    "Link",
    "Namespace",
    "Veth",
    "host_namespace",
    "open_namespace",
]

_NS_GET_NSTYPE = 0xB703
_CLONE_NEWNET = 0x40000000


def host_namespace(
    *,
    owner: Attachment | None = None,
    rollback: Rollback | None = None,
    deadline: Deadline | None = None,
) -> Namespace:
    """The namespace the process is in.

    Args:
        owner: The attachment what is made there belongs to.
        rollback: Receives the undo steps.
        deadline: Bounds every wait.
    """
    return _namespace(None, "", owner, rollback, deadline)


def open_namespace(
    path: str,
    *,
    owner: Attachment | None = None,
    rollback: Rollback | None = None,
    deadline: Deadline | None = None,
) -> Namespace:
    """Open a container's namespace; from then on it is used by descriptor.

    Args:
        path: CNI_NETNS.
        owner: The attachment what is made there belongs to.
        rollback: Receives the undo steps.
        deadline: Bounds every wait.

    Raises:
        errors.InvalidNetns: the path is missing or names no network namespace (code 8).
        errors.TryAgainLater: the machine was short of something (code 11).
    """
    try:
        # O_NONBLOCK: opening a FIFO somebody left there must not hang.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as failure:
        told = f'CNI_NETNS: cannot open network namespace "{path}": {failure}'
        if isinstance(failure, OSError) and errors.is_shortage(failure):
            raise errors.TryAgainLater(told) from None  # DEL must not take it for gone
        raise errors.InvalidNetns(told) from None
    try:
        kind = fcntl.ioctl(fd, _NS_GET_NSTYPE)
    except OSError:
        kind = 0
    if kind != _CLONE_NEWNET:
        os.close(fd)
        raise errors.InvalidNetns(
            f'CNI_NETNS: "{path}" is not a network namespace',
            details="expected a path such as /run/netns/NAME or /proc/PID/ns/net",
        )
    return _namespace(fd, path, owner, rollback, deadline)


def _namespace(
    fd: int | None,
    path: str,
    owner: Attachment | None,
    rollback: Rollback | None,
    deadline: Deadline | None,
) -> Namespace:
    from cnisdk._net._kernel import NetlinkKernel  # noqa: PLC0415  # 40 ms

    def firewall() -> Firewall:
        from cnisdk._net._firewall import KernelFirewall  # noqa: PLC0415  # few plugins filter

        return KernelFirewall(fd, deadline=deadline)

    return Namespace(
        NetlinkKernel(fd),
        firewall,
        path=path,
        owner=owner,
        rollback=rollback,
        deadline=deadline,
    )
