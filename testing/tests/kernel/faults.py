"""Faults of the kernel: the n-th call on it fails, once, while a plugin runs in this process.

A call is one request of a netlink message, one dump, one write to a sysctl, one nf_tables transaction, one
run of iptables, one ioctl. It fails either without having done anything ("refused"), or after it was done,
so that nobody knows ("unanswered").
"""

from __future__ import annotations

import errno
import re
import subprocess
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
from machine import Machine, Netns

from cnisdk import errors
from cnisdk._net import _iptables, _nft
from cnisdk._net._kernel import NetlinkKernel
from cnisdk._net._netlink import KernelRefusal, Netlink


REFUSED, UNANSWERED = "refused", "unanswered"
MODES = (REFUSED, UNANSWERED)


class Faults:
    """Counts calls on the kernel, and lets one of them fail.

    Args:
        mode: How it fails.
        at: Which one, counted from 0; None for none.
    """

    def __init__(self, mode: str = REFUSED, at: int | None = None) -> None:
        self.mode = mode
        self.at = at
        self.calls: list[str] = []

    @property
    def hit(self) -> bool:
        """Whether there was a call of that number."""
        return self.at is not None and len(self.calls) > self.at

    def due(self, what: str) -> bool:
        """Count a call; whether it is the one that fails."""
        self.calls.append(what)
        return len(self.calls) - 1 == self.at

    @contextmanager
    def injected(self) -> Generator[None]:
        """Within it calls are counted, and one of them fails."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Netlink, "_batch", self._batch(Netlink._batch))
            self._wrap(patch, Netlink, "_dump_once", _refusal)
            self._wrap(patch, NetlinkKernel, "set_sysctl", _refusal)
            self._wrap(patch, NetlinkKernel, "add_tap", _refusal)
            for module, name in ((_nft, "_run"), (_iptables, "run_program")):
                self._wrap(patch, module, name, lambda: errors.CniError("injected fault"))
            yield

    def _wrap(
        self, patch: pytest.MonkeyPatch, owner: Any, name: str, failure: Callable[[], Exception]
    ) -> None:
        original = getattr(owner, name)

        def call(*args: Any, **keys: Any) -> Any:
            due = self.due(f"{name} {args[1:] if isinstance(owner, type) else args}")
            if due and self.mode == REFUSED:
                raise failure()
            answer = original(*args, **keys)
            if due:
                raise failure()
            return answer

        patch.setattr(owner, name, call)

    def _batch(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def batch(netlink: Netlink, requests: Sequence[bytearray], *more: Any) -> Any:
            due = [self.due(f"request {bytes(each[4:6]).hex()}") for each in requests]
            if True not in due:
                return original(netlink, requests, *more)
            position = due.index(True)
            if self.mode == UNANSWERED:
                original(netlink, requests, *more)
                raise TimeoutError("injected fault")
            others = [each for each in requests if each is not requests[position]]
            if others:  # the kernel goes on after a refusal
                original(netlink, others, *more)
            raise KernelRefusal(errno.EIO, "injected fault", position)

        return batch


def _refusal() -> OSError:
    # A new one each time: it would keep the sockets of the call alive in its traceback.
    return OSError(errno.EIO, "injected fault")


@attrs.frozen
class State:
    """What is on a host and in a container, in words that can be compared."""

    host: list[str]
    container: list[str]
    files: set[str]

    def without(self, other: State) -> list[str]:
        """What is here, or there, alone."""
        ours = {*self.host, *self.container, *self.files}
        theirs = {*other.host, *other.container, *other.files}
        return [f"+ {each}" for each in ours - theirs] + [f"- {each}" for each in theirs - ours]


def state_of(machine: Machine, container: Netns, *, vlans: bool = False) -> State:
    """Links, addresses, routes, packet filter, shaping and files.

    Args:
        machine: The host, and the files.
        container: The container.
        vlans: Whether the kernel has VLANs of bridge ports.
    """
    host = _space(machine.host, "nft list ruleset", *(["bridge vlan show"] if vlans else []))
    files = {each for each in machine.files() if not each.startswith("run/")}
    return State(host, _space(container), files)


_BATCH = "address show\nroute show table all\nrule show\n"
# What changes by itself, or from one making to the next.
_VOLATILE = re.compile(
    r"^\d+: |valid_lft \w+|preferred_lft \w+|\w+_timer +[\d.]+|state \w+|NO-CARRIER,?|,?LOWER_UP"
    r"|fdb_n_learned \d+|tentative|dadfailed|link-netnsid \d+|qlen \d+|expires \d+sec"
    r"|(designated|root)_\w+ +\S+|bridge_id \S+|@if\d+|# handle \d+|packets \d+ bytes \d+|qdisc noqueue|noop"
)
_PASSING = re.compile(r"fe80:|ff00::|multicast|^qdisc noqueue")


def _space(netns: Netns, *more: str) -> list[str]:
    """One process for all of iproute2, for the lab's kernel takes its time with each."""
    lines: list[str] = []
    for command in ("ip -d -o -batch -", "ip -6 -o route show table all", "tc qdisc show", *more):
        # The child is born in the namespace this thread is in.
        with netns.entered():
            text = subprocess.run(
                command.split(), input=_BATCH, capture_output=True, text=True, check=True
            ).stdout
        lines += [
            " ".join(_VOLATILE.sub("", each).split())
            for each in text.splitlines()
            if not _PASSING.search(each)
        ]
    return sorted(lines)  # the order of links and routes says when they were made


def sweep(  # what a machine, a call and a fault are made of
    machine: Machine,
    conf: dict[str, Any],
    mode: str,
    container: Callable[[], Netns],
    prev: Callable[[Netns], dict[str, Any] | None],
    *,
    vlans: bool = False,
    shared: bool = True,
    points: tuple[int, int] = (0, 1),
) -> int:
    """Let each call of ADD fail in turn; host and container must be as before, or ADD must succeed.

    Args:
        machine: The host.
        conf: The configuration.
        mode: How calls fail.
        container: Makes a container with what ADD needs in it.
        prev: What an earlier plugin has made there.
        vlans: As for `state_of`.
        shared: Another container stays attached; otherwise it only was.
        points: The first call that fails, and the step to the next.

    Returns:
        How many calls there are.
    """
    # What containers share is there already.
    first = container()
    machine.add(conf, first, container_id="shared", prev=prev(first))
    if not shared:
        machine.delete(conf, first, container_id="shared")
    netns = container()
    before = state_of(machine, netns, vlans=vlans)
    at, step = points
    while True:
        faults = Faults(mode, at)
        with faults.injected():
            out = machine.call("ADD", conf, netns, prev=prev(netns))
        if not faults.hit:
            assert out.code == 0, out.error  # and again, after all that has failed
            return len(faults.calls)
        if out.code == 0:
            # One that ADD can do without.
            machine.check(conf, netns, out.document)
            machine.delete(conf, netns, prev=out.document)
        after = state_of(machine, netns, vlans=vlans)
        assert after == before, (at, faults.calls[at : at + 1], out.stderr, after.without(before))
        at += step
