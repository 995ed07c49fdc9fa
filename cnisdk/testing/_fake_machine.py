"""A fake machine: a host and its containers over plain values."""

from __future__ import annotations

import errno

from cnisdk import errors
from cnisdk._deadline import Deadline
from cnisdk._names import Attachment
from cnisdk._net import Namespace
from cnisdk._rollback import Rollback
from cnisdk.testing._errors import InjectedFault
from cnisdk.testing._fake_firewall import FakeFirewall
from cnisdk.testing._fake_kernel import FakeKernel
from cnisdk.testing._state import HostState


class FakeMachine:
    """The host's namespace and the containers', changed in place by one call.

    Args:
        state: What is there before.
        fail_at: The n-th change fails once, counted from 0.
        kill_at: From the n-th change on nothing is changed any more, as after kill -9.
    """

    def __init__(
        self, state: HostState, *, fail_at: int | None = None, kill_at: int | None = None
    ) -> None:
        self.calls = 0
        self.fail_at = fail_at
        self.kill_at = kill_at
        self.spaces: dict[str, FakeKernel] = {}
        self.spaces[""] = FakeKernel(self, "", state.host)
        for path, space in state.namespaces.items():
            self.spaces[path] = FakeKernel(self, path, space)

    def namespace(
        self,
        path: str,
        *,
        owner: Attachment | None = None,
        rollback: Rollback | None = None,
        deadline: Deadline | None = None,
    ) -> Namespace:
        """One of the machine's namespaces, as the real `open_namespace` opens it."""
        kernel = self.spaces.get(path)
        if kernel is None:
            raise errors.InvalidNetns(
                f'CNI_NETNS: cannot open network namespace "{path}": no such file or directory'
            )
        return Namespace(
            kernel,
            lambda: FakeFirewall(kernel.filters, self.change),
            path=path,
            owner=owner,
            rollback=rollback,
            deadline=deadline,
        )

    def change(self, what: str) -> None:
        """Count a change; fail or die at the chosen one."""
        point, self.calls = self.calls, self.calls + 1
        if self.kill_at is not None and point >= self.kill_at:
            raise InjectedFault(errno.EIO, f"killed before {what}")
        if point == self.fail_at:
            raise InjectedFault(errno.EIO, f"injected fault: {what}")

    def state(self) -> HostState:
        """What is there now."""
        return HostState(
            host=self.spaces[""].state(),
            namespaces={path: each.state() for path, each in self.spaces.items() if path},
        )
