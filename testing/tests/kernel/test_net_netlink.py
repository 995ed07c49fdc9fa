"""The rtnetlink socket: batches, refusals, interrupted dumps (W-NL-1), events."""

from __future__ import annotations

import errno
import threading
import time

import pytest
from machine import Netns

from cnisdk import errors
from cnisdk._deadline import Deadline
from cnisdk._net._kernel import NetlinkKernel, _requests
from cnisdk._net._netlink import KernelRefusal, Netlink


pytestmark = pytest.mark.kernel
INTERRUPTED = 0x10


@pytest.fixture
def kernel(container: Netns) -> NetlinkKernel:
    return container.namespace().kernel  # type: ignore[return-value]


class Disturbed(Netlink):
    """A kernel whose tables change during the first n dumps."""

    def __init__(self, fd: int, times: int) -> None:
        super().__init__(fd)
        self.times = times

    def _dump_once(self, request: bytearray) -> list[bytes] | None:
        self.times -= 1
        return None if self.times >= 0 else super()._dump_once(request)


def test_an_interrupted_dump_is_repeated(container: Netns) -> None:
    """W-NL-1: netlink dumps interrupted by the kernel are retried."""
    netlink = Disturbed(container.fd, 6)

    assert len(netlink.dump(_requests.dump_links())) == 1
    netlink.close()


def test_a_dump_that_never_gets_through_is_an_error(container: Netns) -> None:
    """W-NL-1: possibly inconsistent data is never used silently."""
    netlink = Disturbed(container.fd, 1000)

    with pytest.raises(KernelRefusal) as caught:
        netlink.dump(_requests.dump_links())
    assert caught.value.errno == errno.EAGAIN
    netlink.close()


def test_one_interrupted_message_spoils_the_whole_dump(
    container: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W-NL-1: the flag may be on any message of the dump."""
    netlink = Netlink(container.fd)
    receive, marks = netlink._receive, iter([INTERRUPTED])

    def marked() -> list[tuple[int, int, int, bytes]]:
        mark = next(marks, 0)
        return [(kind, flags | mark, seq, data) for kind, flags, seq, data in receive()]

    calls: list[int] = []
    once = netlink._dump_once
    monkeypatch.setattr(netlink, "_receive", marked)
    monkeypatch.setattr(netlink, "_dump_once", lambda r: (calls.append(1), once(r))[1])

    assert len(netlink.dump(_requests.dump_links())) == 1
    assert len(calls) == 2
    netlink.close()


def test_dumps_are_right_while_links_come_and_go(container: Netns) -> None:
    """W-NL-1, plugins#1121: churn during GC's dump."""
    stop = threading.Event()
    churner = container.namespace().kernel

    def churn() -> None:
        while not stop.is_set():
            link = churner.add_link("churn0", "bridge", mac="02:00:00:00:00:09")
            churner.remove_link(link.index)

    for number in range(40):
        churner.add_link(f"fixed{number}", "bridge", mac="02:00:00:00:00:08")
    thread = threading.Thread(target=churn)
    thread.start()
    try:
        reader = container.namespace().kernel
        counts = {len({each.name for each in reader.links()} - {"churn0"}) for _ in range(30)}
    finally:
        stop.set()
        thread.join()

    assert counts == {41}


def test_a_refusal_says_which_request_and_why(container: Netns) -> None:
    """Extended acknowledgements: the kernel's own words."""
    netlink = Netlink(container.fd)
    requests = [_requests.get_link(name=name) for name in ("lo", "lo", "nope", "lo")]

    with pytest.raises(KernelRefusal) as caught:
        netlink.batch(requests)

    assert (caught.value.position, caught.value.errno) == (2, errno.ENODEV)
    assert len(netlink.batch([_requests.get_link(name="lo")])) == 1
    netlink.close()


def test_the_position_counts_through_several_sends(container: Netns) -> None:
    """A batch longer than one send."""
    netlink = Netlink(container.fd)
    requests = [_requests.get_link(name="lo") for _ in range(150)]

    assert len(netlink.batch(requests)) == 150
    requests[140] = _requests.get_link(name="nope")
    with pytest.raises(KernelRefusal) as caught:
        netlink.batch(requests)
    assert caught.value.position == 140
    netlink.close()


def test_what_exists_already_is_a_file_exists_error(kernel: NetlinkKernel) -> None:
    """The races of ensure_bridge and ensure_address are told by this class."""
    kernel.add_link("br0", "bridge", mac="02:00:00:00:00:01")

    with pytest.raises(FileExistsError):
        kernel.add_link("br0", "bridge", mac="02:00:00:00:00:02")


def test_waiting_wakes_at_the_event(container: Netns, kernel: NetlinkKernel) -> None:
    """W-BR-7: netlink events instead of polling at fixed intervals."""
    index = kernel.add_link("br0", "bridge", mac="02:00:00:00:00:01").index
    other = container.namespace().kernel
    timer = threading.Timer(0.2, lambda: other.change_link(index, up=True))
    timer.start()
    start = time.monotonic()

    link = kernel.wait_link("br0", lambda each: each.up, Deadline(20))

    timer.join()
    assert link is not None
    assert link.up
    assert 0.1 < time.monotonic() - start < 10


def test_waiting_in_vain_ends_with_the_deadline(kernel: NetlinkKernel) -> None:
    """Design section 4.8: everything has a deadline; the last state comes back."""
    kernel.add_link("br0", "bridge", mac="02:00:00:00:00:01")

    link = kernel.wait_link("br0", lambda each: each.up, Deadline(0.2))

    assert link is not None
    assert not link.up


def test_waiting_ends_when_the_link_goes(container: Netns, kernel: NetlinkKernel) -> None:
    """Nobody waits for a link that is gone, even without a deadline."""
    index = kernel.add_link("br0", "bridge", mac="02:00:00:00:00:01").index
    other = container.namespace().kernel
    timer = threading.Timer(0.1, lambda: other.remove_link(index))
    timer.start()

    assert kernel.wait_link("br0", lambda each: each.up, Deadline.never()) is None
    timer.join()


def test_without_rights_the_error_says_which_right(container: Netns) -> None:
    """Kernel errors never escape as OSError, and say what to do."""
    namespace = container.namespace()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    namespace.kernel.add_link = refuse  # type: ignore[method-assign, assignment]
    with pytest.raises(errors.CniError) as caught:
        namespace.ensure_bridge("br0")

    assert 'bridge "br0": Operation not permitted' in caught.value.msg
    assert "CAP_NET_ADMIN" in caught.value.details


def test_a_kernel_that_does_not_answer_is_a_passing_condition(
    container: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recv that times out becomes code 11 and names the object."""
    monkeypatch.setattr("cnisdk._net._netlink._REPLY_SECONDS", 0.05)
    namespace = container.namespace()
    netlink = namespace.kernel._netlink  # type: ignore[attr-defined]
    monkeypatch.setattr(
        netlink, "_number", lambda request: request.__setitem__(slice(6, 8), b"\0\0")
    )

    with pytest.raises(errors.TryAgainLater, match='interface "lo"'):
        namespace.link("lo")
