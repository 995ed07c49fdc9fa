"""Opening a network namespace and working in it (contracts 2.1)."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import pytest
from descriptors import open_descriptors
from machine import Machine, Netns

from cnisdk import errors
from cnisdk._net import host_namespace, open_namespace
from cnisdk._net._netlink import Netlink
from cnisdk._net._setns import entered


pytestmark = pytest.mark.kernel


def inode() -> int:
    return os.stat("/proc/thread-self/ns/net").st_ino


def held() -> dict[str, str]:
    """The descriptors of this process, but for those of objects nobody has any more."""
    gc.collect()
    return open_descriptors()


def test_a_block_runs_in_the_target_namespace_and_comes_back(container: Netns) -> None:
    """T: callback runs in target ns; distinct inodes."""
    before, target = inode(), os.fstat(container.fd).st_ino

    with entered(container.fd):
        inside = inode()

    assert (inside, inode()) == (target, before)
    assert before != target


def test_an_error_in_the_block_comes_out_and_the_thread_comes_back(container: Netns) -> None:
    """T: restores on error; returns callback error."""
    before = inode()

    with pytest.raises(ZeroDivisionError), entered(container.fd):
        _ = 1 // 0

    assert inode() == before


def test_nested_blocks_come_back_one_by_one(machine: Machine, container: Netns) -> None:
    """T: gets original ns."""
    before = inode()
    with entered(machine.host.fd):
        outer = inode()
        with entered(container.fd):
            assert inode() == os.fstat(container.fd).st_ino
        assert inode() == outer
    assert inode() == before


def test_threads_are_in_namespaces_of_their_own(machine: Machine) -> None:
    """T: concurrent calls."""
    spaces = [machine.container() for _ in range(4)]
    wrong: list[str] = []

    def work(space: Netns) -> None:
        for _ in range(50):
            with entered(space.fd):
                if inode() != os.fstat(space.fd).st_ino:
                    wrong.append(space.path)

    threads = [threading.Thread(target=work, args=(space,)) for space in spaces]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert wrong == []


def test_a_descriptor_that_is_no_namespace_leaves_the_thread_where_it_was(tmp_path: Path) -> None:
    """T: restores on error: entering fails."""
    before = inode()
    with (
        open(tmp_path / "file", "w", encoding="ascii") as file,
        pytest.raises(errors.CniError, match="nvalid"),
        entered(file.fileno()),
    ):
        raise AssertionError("entered a file")
    assert inode() == before


def test_a_namespace_is_opened_once_and_closed_with_the_object(container: Netns) -> None:
    """T: closed ns not leaked."""
    before = held()
    namespace = open_namespace(container.path)

    assert namespace.link("lo") is not None
    assert namespace.path == container.path

    namespace.close()
    assert held() == before


def test_a_forgotten_namespace_is_closed_too(container: Netns) -> None:
    """T: closed ns not leaked: a handler that closes nothing."""
    before = held()

    for _ in range(5):
        assert open_namespace(container.path).link("lo") is not None

    assert held() == before


def test_a_forgotten_socket_of_a_cycle_is_closed_without_complaint(container: Netns) -> None:
    """Objects of a cycle are collected in any order, the socket before what would close it."""
    before = held()

    netlink = Netlink(container.fd)
    vars(netlink)["cycle"] = netlink
    del netlink

    assert held() == before


def test_a_closed_namespace_refuses_use(container: Netns) -> None:
    """T: closed handle refuses use; it must not become the host's namespace."""
    namespace = open_namespace(container.path)
    namespace.close()

    with pytest.raises(errors.CniError):
        namespace.link("lo")
    with pytest.raises(errors.CniError):
        namespace.sysctl("ipv4/ip_forward")


def test_closing_twice_closes_nothing_else(container: Netns) -> None:
    """T: double close errors: here it does nothing, above all not to a descriptor used again since."""
    namespace = open_namespace(container.path)
    namespace.close()
    reader, writer = os.pipe()
    namespace.close()

    assert os.write(writer, b"x") == 1
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("kind", ["missing", "file", "directory", "fifo", "other namespace", "nul"])
def test_what_is_no_network_namespace_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    """T: non-ns path; missing path: code 8, naming the path."""
    path = {
        "missing": str(tmp_path / "gone"),
        "directory": str(tmp_path),
        "other namespace": "/proc/self/ns/uts",
        "nul": "bad\0path",
    }.get(kind, str(tmp_path / kind))
    if kind == "file":
        Path(path).touch()
    if kind == "fifo":
        os.mkfifo(path)

    with pytest.raises(errors.InvalidNetns) as caught:
        open_namespace(path)

    assert caught.value.code == 8
    assert path in caught.value.msg


def test_the_host_is_the_namespace_the_process_is_in(machine: Machine) -> None:
    """T: predicate true: the plugin's own namespace needs no path."""
    machine.host.ip("link add br7 type bridge")
    with machine.host.entered():
        host = host_namespace()

    assert host.path == ""
    assert host.link("br7") is not None
    host.close()


def test_the_namespace_outlives_its_path(machine: Machine) -> None:
    """Design section 4.1: opened once, used by descriptor from then on."""
    container = machine.container()
    namespace = open_namespace(container.path)
    container.close()

    assert namespace.link("lo") is not None
    namespace.close()
