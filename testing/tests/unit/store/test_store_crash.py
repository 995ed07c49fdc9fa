"""kill -9 at every step: a child process dies before its n-th call into the kernel, for every n."""

import os
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

import cnisdk


NOW = cnisdk.Deadline(5)
A, B = (cnisdk.Attachment("net", f"c{n}", "eth0") for n in range(2))
ONE, SIX, TWO = map(ip_address, ("10.1.0.2", "2001:db8::2", "10.1.0.3"))
CALLS = (
    "open", "mkdir", "makedirs", "fsync", "link", "symlink", "unlink", "rename", "write", "utime",
    "ftruncate", "pwrite", "close", "readlink", "stat",
)  # fmt: skip


def dies_at(n: int, work: Callable[[], object]) -> bool:
    """Run in a child that is gone before its n-th call; whether it got to the end before that."""
    child = os.fork()
    if not child:
        count = 0

        def counted(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                nonlocal count
                count += 1
                if count == n:
                    os._exit(9)
                return function(*args, **kwargs)

            return call

        for name in CALLS:
            setattr(os, name, counted(getattr(os, name)))
        try:
            work()
        except BaseException:  # noqa: BLE001  # a traceback would go on in the parent's test
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, 9}
    return status == 0


def add(root: Path, attachment: cnisdk.Attachment, *addresses: Any) -> None:
    with cnisdk.Reservations(str(root), "net").locked(NOW, "ADD") as pool:
        pool.held_by(attachment)
        pool.reserve(attachment, addresses)
        for index, address in enumerate(addresses):
            pool.set_last_reserved(index, address)


def left(root: Path) -> set[str]:
    """What is in the network's directory and the index, by name."""
    found = set()
    for directory in (root / "net", root / ".cnisdk-index" / "net"):
        found |= set(os.listdir(directory)) if directory.exists() else set()
    return {name for name in found if not name.startswith("last_reserved_ip.")} - {"lock", ".known"}


@pytest.mark.parametrize("unnamed_files", [True, False], ids=["O_TMPFILE", "named"])
@pytest.mark.parametrize("others", [True, False], ids=["in use", "fresh"])
def test_del_after_an_add_killed_anywhere_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unnamed_files: bool, others: bool
) -> None:
    """W-HL-2: only the lock and last addresses remain; other containers keep theirs."""
    if not unnamed_files:
        # EOPNOTSUPP, as from a filesystem without O_TMPFILE
        monkeypatch.setattr(
            "cnisdk._store._atomic._create_unnamed",
            lambda *_: (_ for _ in ()).throw(OSError(95, "")),
        )
    expected: set[str] = set()
    for n in range(1, 200):
        root = tmp_path / str(n)
        if others:
            add(root, B, TWO)
            expected = {"10.1.0.3", "c1:eth0"}
        finished = dies_at(n, lambda root=root: add(root, A, ONE, SIX))
        cnisdk.Reservations(str(root), "net").release(A, NOW)

        assert expected == left(root), f"killed at call {n}"
        if finished:
            break
    else:
        pytest.fail("the ADD never ran to its end")
    assert n > 20


def test_a_second_add_after_a_killed_one_works(tmp_path: Path) -> None:
    """After DEL the address can be reserved by anyone, whatever the crash left of files."""
    for n in range(1, 200):
        root = tmp_path / str(n)
        finished = dies_at(n, lambda root=root: add(root, A, ONE))
        cnisdk.Reservations(str(root), "net").release(A, NOW)
        add(root, B, ONE)

        assert {"10.1.0.2", "c1:eth0"} == left(root), f"killed at call {n}"
        if finished:
            return
    pytest.fail("the ADD never ran to its end")


def test_gc_after_a_killed_add_leaves_what_is_valid(tmp_path: Path) -> None:
    """The same without DEL, which may never come."""
    for n in range(1, 200):
        root = tmp_path / str(n)
        add(root, B, TWO)
        finished = dies_at(n, lambda root=root: add(root, A, ONE, SIX))
        cnisdk.Reservations(str(root), "net").retain([B], NOW)

        assert {"10.1.0.3", "c1:eth0"} == left(root), f"killed at call {n}"
        if finished:
            return
    pytest.fail("the ADD never ran to its end")


def test_a_del_killed_anywhere_can_be_repeated(tmp_path: Path) -> None:
    """DEL comes again until it succeeds."""
    for n in range(1, 200):
        root = tmp_path / str(n)
        add(root, A, ONE, SIX)
        add(root, B, TWO)
        store = cnisdk.Reservations(str(root), "net")
        finished = dies_at(n, lambda store=store: store.release(A, NOW))
        store.release(A, NOW)

        assert {"10.1.0.3", "c1:eth0"} == left(root), f"killed at call {n}"
        if finished:
            return
    pytest.fail("the DEL never ran to its end")


def test_a_record_killed_anywhere_is_the_old_or_the_new(tmp_path: Path) -> None:
    """`Store.put`: readers never see a part, and the next put works."""
    for n in range(1, 100):
        store = cnisdk.Store(str(tmp_path / str(n)))
        store.put("a", {"n": 1}, NOW)
        finished = dies_at(n, lambda store=store: store.put("a", {"n": 2}, NOW))
        record = store.get("a")

        assert record is not None
        assert record.data["n"] in ({2} if finished else {1, 2})
        store.put("a", {"n": 3}, NOW)
        assert {"a.json", ".lock"} == set(os.listdir(store.directory))
        if finished:
            return
    pytest.fail("the put never ran to its end")
