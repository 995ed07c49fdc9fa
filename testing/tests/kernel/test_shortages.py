"""The machine is short of something for a moment: nothing is taken for gone, nothing is lost.

A failure such as "too many open files" says nothing about what was asked for. DEL and GC answer 11, and do all
of it when they are asked again.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lent_device import MAC, device, host_with_device, records
from lent_device import conf as lending
from machine import Machine, Netns

from cnisdk import errors
from cnisdk._net import _child, _nft, _setns
from cnisdk._net._kernel import NetlinkKernel
from cnisdk._net._nft_wire import Wire
from cnisdk._store import _atomic
from cnisdk._store._records import Store


pytestmark = pytest.mark.kernel

SUBNETS = ("10.1.0.0/24", "fd00:1::/64")
RUN_SLEEP = """
import sys
from cnisdk._net._programs import run_program
run_program(["/bin/sleep", sys.argv[1]], "", netns_fd=None, deadline=None)
"""


def failing(
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    *,
    number: int = errno.EMFILE,
    when: Callable[..., bool] = lambda *_args: True,
    times: int = 1,
) -> list[int]:
    """Let calls of a function fail; the list counts how often it did."""
    original, failed = getattr(owner, name), list[int]()

    def call(*args: Any, **keys: Any) -> Any:
        if len(failed) < times and when(*args):
            failed.append(number)
            raise OSError(number, os.strerror(number))
        return original(*args, **keys)

    monkeypatch.setattr(owner, name, call)
    return failed


# ---- coming home -----------------------------------------------------------------------------------


def inode() -> int:
    return os.stat("/proc/thread-self/ns/net").st_ino


def refuse_home(monkeypatch: pytest.MonkeyPatch, away: Netns, times: int) -> list[int]:
    target = away.fd
    return failing(
        monkeypatch, _setns, "_setns", number=errno.EPERM, when=lambda fd: fd != target, times=times
    )


def test_another_try_brings_the_thread_home(
    container: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, failed = inode(), refuse_home(monkeypatch, container, 2)

    with _setns.entered(container.fd):
        pass

    assert (inode(), len(failed)) == (before, 2)


def test_who_goes_on_abroad_is_brought_home_first(
    container: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None means the namespace at home, also after an error somebody has swallowed."""
    before = inode()
    refuse_home(monkeypatch, container, 3)

    with pytest.raises(errors.CniError, match="come back"), _setns.entered(container.fd):
        pass
    assert inode() != before

    with _setns.entered(None):
        assert inode() == before
    assert inode() == before


# ---- children --------------------------------------------------------------------------------------


def test_a_library_that_ends_its_process_is_an_error(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libnftables does so without memory or descriptors: no rollback, no error object, status 3."""

    class Ending:
        """Stands in for libnftables."""

        @staticmethod
        def nft_ctx_new(_flags: int) -> None:
            os._exit(3)

    monkeypatch.setattr(_nft, "_loaded", {_nft.LIBRARY: Ending()})

    with pytest.raises(errors.CniError, match="libnftables has given up"):
        _nft.run_text(["list ruleset"], purpose="look", netns_fd=machine.host.fd)


def test_an_answer_longer_than_a_pipe_arrives() -> None:
    assert _child.answer_of(lambda: b"x" * 300_000) == b"x" * 300_000
    assert _child.answer_of(lambda: bytes(1 // 0)) is None


@pytest.mark.parametrize("ignored", [True, False])
def test_a_runtime_may_ignore_its_children(ignored: bool) -> None:
    """What it starts inherits that, and the kernel keeps no status then."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        assert _child.answer_of(lambda: b"good") == b"good"
        assert _child.answer_of(lambda: os._exit(3)) is None
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_programs_end_with_the_call(tmp_path: Path) -> None:
    """An iptables that waits for its lock would make its rules after DEL."""
    name = f"9{time.time_ns() % 10**6}"
    with subprocess.Popen([sys.executable, "-c", RUN_SLEEP, name], cwd=tmp_path) as call:

        def sleeping() -> bool:
            found = subprocess.run(
                ["pgrep", "-f", f"^/bin/sleep {name}$"], check=False, capture_output=True
            )
            return found.returncode == 0

        wait_until(sleeping)
        call.send_signal(signal.SIGKILL)
    wait_until(lambda: not sleeping())


def wait_until(good: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not good():
        assert time.monotonic() < end
        time.sleep(0.02)


# ---- DEL and GC ------------------------------------------------------------------------------------


def test_del_does_not_take_a_namespace_for_gone(
    machine: Machine, container: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IPAM would release the address of an interface that is still there."""
    cfg = machine.conf(SUBNETS[0], type="tap")
    del cfg["bridge"]
    machine.add(cfg, container)
    path = container.path
    failing(monkeypatch, os, "open", when=lambda name, *_: name == path)

    assert machine.call("DEL", cfg, container).document["code"] == 11
    assert "eth0" in container.links()
    machine.delete(cfg, container)
    assert "eth0" not in container.links()
    assert machine.reservations() == set()


@pytest.mark.parametrize("verb", ["DEL", "GC"])
@pytest.mark.parametrize("kind", ["bridge", "ptp"])
def test_rules_are_looked_for_until_there_is_an_answer(
    machine: Machine, container: Netns, monkeypatch: pytest.MonkeyPatch, kind: str, verb: str
) -> None:
    cfg = machine.conf(*SUBNETS, version="1.1.0", type=kind, ipMasq=True)
    machine.add(cfg, container)
    stale: dict[str, Any] = {"cni.dev/valid-attachments": []} if verb == "GC" else {}
    where = () if verb == "GC" else (container,)
    failing(monkeypatch, Wire, "__init__", number=errno.ENFILE)

    assert machine.call(verb, {**cfg, **stale}, *where).document["code"] == 11
    assert machine.call(verb, {**cfg, **stale}, *where).code == 0
    assert "10.1.0." not in machine.host.ruleset()


@pytest.mark.parametrize(("number", "code"), [(errno.EMFILE, 11), (errno.EIO, 5)])
def test_gc_keeps_reservations_it_cannot_read(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    """One address for two containers: it was released though its container is valid."""
    cfg = machine.conf(SUBNETS[0], version="1.1.0")
    address = machine.add(cfg, machine.container())["ips"][0]["address"].partition("/")[0]
    valid = {"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]}
    failing(monkeypatch, _atomic, "read", number=number, when=lambda _fd, name, *_: name == address)

    out = machine.call("GC", {**cfg, **valid})

    assert out.document["code"] == code, out.document
    assert machine.reservations() == {address}


def test_del_releases_both_families_or_fails(
    machine: Machine, container: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = machine.conf(*SUBNETS)
    machine.add(cfg, container)
    failing(monkeypatch, _atomic, "read", when=lambda _fd, name, *_: name.startswith("fd00"))

    assert machine.call("DEL", cfg, container).document["code"] == 11
    machine.delete(cfg, container)
    assert machine.reservations() == set()


# ---- what is to be put back ------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["put_back_addresses", "change_routes", "change_link"])
def test_a_device_comes_back_whole_at_the_second_try(
    machine: Machine, container: Netns, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    host = host_with_device(machine)
    host.ip("route add 198.51.100.0/24 via 192.0.2.1")
    before, routes = device(host), host.routes()
    cfg = lending(machine, SUBNETS[0])
    machine.add(cfg, container)
    container.ip("link set eth0 mtu 1300")
    moved = call == "change_link"  # it is the second change that fails, when the device is back
    failing(
        monkeypatch,
        NetlinkKernel,
        call,
        number=errno.ENOBUFS,
        when=lambda *_args: not moved or "ens5" in host.links(),
    )

    assert machine.call("DEL", cfg, container).document["code"] == 11
    machine.delete(cfg, container)
    assert device(host) == before
    assert host.routes() == routes
    assert records(machine) == []


def test_a_device_is_not_lent_where_its_addresses_cannot_be_noted(
    machine: Machine, container: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = host_with_device(machine)
    before = device(host)

    def refused(*_args: Any) -> None:
        raise errors.IoFailure("read-only")

    monkeypatch.setattr(Store, "put", refused)
    assert machine.call("ADD", lending(machine, SUBNETS[0]), container).document["code"] == 5
    assert device(host) == before

    host.ip("address del 192.0.2.7/24 dev ens5")
    machine.add(lending(machine, SUBNETS[0]), container)
    machine.delete(lending(machine, SUBNETS[0]), container)
    assert host.link("ens5")["address"] == MAC


def tuning(machine: Machine) -> dict[str, Any]:
    return {
        "cniVersion": "1.0.0",
        "name": "mynet",
        "type": "tuning",
        "dataDir": str(machine.root / "tuning"),
        "sysctl": {"net.core.somaxconn": "555"},
    }


def test_tuning_changes_nothing_it_cannot_put_back(
    machine: Machine, container: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = container.sysctl("core/somaxconn")
    prev = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": container.path}]}
    failing(monkeypatch, NetlinkKernel, "sysctl", when=lambda _kernel, name: "somaxconn" in name)

    assert machine.call("ADD", tuning(machine), container, prev=prev).document["code"] == 11
    assert container.sysctl("core/somaxconn") == before


@pytest.mark.parametrize("call", ["set_sysctl", "sysctl"])
def test_tuning_puts_back_at_the_second_try(
    machine: Machine, container: Netns, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    before = container.sysctl("core/somaxconn")
    prev = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": container.path}]}
    machine.add(tuning(machine), container, prev=prev)
    failing(monkeypatch, NetlinkKernel, call)

    assert machine.call("DEL", tuning(machine), container).document["code"] == 11
    machine.delete(tuning(machine), container)
    assert container.sysctl("core/somaxconn") == before


def test_sbr_puts_routes_back_at_the_second_try(
    machine: Machine, container: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What DEL has removed stays removed: the rollback is ADD's."""
    first = machine.add(machine.conf(*SUBNETS), container)
    before = container.routes(), container.routes(6)
    cfg = {"cniVersion": "1.0.0", "name": "mynet", "type": "sbr"}
    result = machine.add(cfg, container, prev=first)
    failing(
        monkeypatch,
        NetlinkKernel,
        "remove_policy_rule",
        number=errno.ENOBUFS,
        when=lambda _kernel, rule: rule.version == 6,
    )

    assert machine.call("DEL", cfg, container, prev=result).document["code"] == 11
    machine.delete(cfg, container, prev=result)
    assert (container.routes(), container.routes(6)) == before
    assert "10.1.0." not in container.ip("rule show")
