"""Calls that must not overlap: who waits for whom, who is named, and what is left."""

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import toys

import cnisdk
from cnisdk import errors
from cnisdk._deadline import Deadline
from cnisdk._locks import locked, serialised
from cnisdk._log import Log
from cnisdk._names import Attachment


class Slow(toys.Toy):
    """Waits within its handlers until told to go on."""

    def attach(self, op: cnisdk.Add[toys.ToyConf]) -> cnisdk.Result:
        """Wait."""
        self.pause("ADD")
        return super().attach(op)

    def detach(self, op: cnisdk.Del[toys.ToyConf]) -> None:
        """Wait."""
        self.pause("DEL")

    def pause(self, verb: str) -> None:
        """Say that it runs, and wait."""
        order.append(f"{verb} begins")
        inside.set()
        assert go_on.wait(10)
        order.append(f"{verb} ends")


order: list[str] = []
inside = threading.Event()
go_on = threading.Event()


@pytest.fixture(autouse=True)
def _fresh() -> None:
    order.clear()
    inside.clear()
    go_on.clear()


def serve(verb: str, run_dir: Path, plugin: Any = Slow, **env: str) -> toys.Outcome:
    """Serve a call in this process."""
    keys = {"cni.dev/valid-attachments": []} if verb == "GC" else {}
    return toys.call(plugin, toys.environment(verb, run_dir, **env), toys.config(**keys))


@contextmanager
def running(verb: str, run_dir: Path, **env: str) -> Generator[Any]:
    """A call that is within its handler."""
    with ThreadPoolExecutor() as pool:
        future = pool.submit(serve, verb, run_dir, **env)
        assert inside.wait(10)
        try:
            yield future
        finally:
            go_on.set()
        assert future.result().code == 0


def files(run_dir: Path) -> list[str]:
    """The lock files."""
    return os.listdir(run_dir / "lock")


@pytest.mark.parametrize(("first", "second"), [("ADD", "DEL"), ("DEL", "ADD"), ("ADD", "ADD")])
def test_calls_of_one_attachment_exclude_each_other(
    first: str, second: str, tmp_path: Path
) -> None:
    """DEL waits for ADD, and the other way round (SPEC section 3; cilium#20398)."""
    with running(first, tmp_path), ThreadPoolExecutor() as pool:
        later = pool.submit(serve, second, tmp_path)
        threading.Event().wait(0.3)
        assert order == [f"{first} begins"]
        go_on.set()
        assert later.result().code == 0

    assert order == [f"{first} begins", f"{first} ends", f"{second} begins", f"{second} ends"]
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "other", [{"CNI_CONTAINERID": "c2"}, {"CNI_IFNAME": "eth1"}], ids=["container", "interface"]
)
def test_calls_of_other_attachments_do_not_wait(other: dict[str, str], tmp_path: Path) -> None:
    """A slow ADD holds up nobody else."""
    with running("ADD", tmp_path):
        assert serve("DEL", tmp_path, toys.Toy, CNISDK_TIMEOUT="5", **other).code == 0


def test_calls_of_another_plugin_do_not_wait(tmp_path: Path) -> None:
    """A delegate locks on its own account."""
    with running("ADD", tmp_path):
        assert serve("DEL", tmp_path, toys.Toy, CNISDK_TIMEOUT="5").code == 0


def test_holder_is_named_at_the_deadline(tmp_path: Path) -> None:
    """Code 11: which call, of what, which process, since when."""
    with running("ADD", tmp_path):
        outcome = serve("DEL", tmp_path, CNISDK_TIMEOUT="0.2")

        assert outcome.code == 1
        assert outcome.document["code"] == 11
        assert f"ADD of c1/eth0 on net, pid {os.getpid()} since " in outcome.document["msg"]
        assert outcome.machine.swept == []


def test_gc_is_alone_on_its_network(tmp_path: Path) -> None:
    """It would sweep what an ADD is making."""
    with running("ADD", tmp_path):
        refused = serve("GC", tmp_path, CNISDK_TIMEOUT="0.2")

        assert refused.document["code"] == 11
        assert "ADD of c1/eth0 on net" in refused.document["msg"]
    assert serve("GC", tmp_path, CNISDK_TIMEOUT="5").code == 0
    assert files(tmp_path) == []


@pytest.mark.parametrize("verb", ["CHECK", "STATUS"])
def test_verbs_that_change_nothing_take_no_lock(verb: str, tmp_path: Path) -> None:
    """A slow ADD does not make a node unready."""
    with running("ADD", tmp_path):
        previous = {"prevResult": {"interfaces": [{"name": "eth0"}]}}
        env = toys.environment(verb, tmp_path, CNISDK_TIMEOUT="5")

        assert toys.call(Slow, env, toys.config(**previous)).code == 0


@pytest.mark.parametrize("verb", ["ADD", "DEL", "GC"])
def test_no_lock_file_is_left(verb: str, tmp_path: Path) -> None:
    """Neither the attachment's nor the network's."""
    assert serve(verb, tmp_path, toys.Toy).code == 0
    assert files(tmp_path) == []


def test_lock_file_of_a_network_stays_while_it_is_shared(tmp_path: Path) -> None:
    """The last one removes it."""
    with running("ADD", tmp_path):
        serve("DEL", tmp_path, toys.Toy, CNI_CONTAINERID="c2")
        assert len(files(tmp_path)) == 2
    assert files(tmp_path) == []


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    """The kernel releases it; what the dead one wrote is not mistaken for the holder."""
    path = tmp_path / "lock"
    program = (
        "import fcntl, os, sys; fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT);"
        "fcntl.flock(fd, fcntl.LOCK_EX); os.write(fd, b'long ago' * 20); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    with locked(str(path), fcntl.LOCK_EX, Deadline(5), holder="me"):
        assert path.read_text().startswith("me, pid ")
        assert "long ago" not in path.read_text()

    assert not path.exists()


def test_removed_lock_file_is_made_again(tmp_path: Path) -> None:
    """Somebody tidied up: the lock is not held on a file that nobody else can find."""
    path = str(tmp_path / "lock")
    with locked(path, fcntl.LOCK_EX, Deadline(5)):
        os.unlink(path)
        with locked(path, fcntl.LOCK_EX, Deadline(5)):
            assert os.path.exists(path)
        assert not os.path.exists(path)


def test_lock_is_no_symbolic_link(tmp_path: Path) -> None:
    """Nobody makes us truncate another file."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "lock").symlink_to(victim)

    with pytest.raises(OSError), locked(str(tmp_path / "lock"), fcntl.LOCK_EX, Deadline(1)):
        pass
    assert victim.read_text() == "precious"


def test_many_calls_exclude_each_other_without_losing_the_lock(tmp_path: Path) -> None:
    """Removing the file at the end of each must not let two in at once."""
    holders = 0
    most = 0

    def use() -> None:
        nonlocal holders, most
        for _ in range(20):
            with locked(str(tmp_path / "lock"), fcntl.LOCK_EX, Deadline(30)):
                holders += 1
                most = max(most, holders)
                holders -= 1

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(use) for _ in range(8)]:
            future.result()

    assert most == 1
    assert not (tmp_path / "lock").exists()


def test_lock_directory_that_cannot_be_used_is_no_reason_to_fail() -> None:
    """A read-only /run: the runtime's own serialisation has to do."""
    attachment = Attachment("net", "c1", "eth0")
    with serialised(
        "ADD",
        plugin="Toy",
        network_name="net",
        attachment=attachment,
        env={"CNISDK_RUN_DIR": "/dev/null"},
        deadline=Deadline(1),
        log=Log(),
    ):
        reached = True

    assert reached


def test_error_within_the_lock_is_passed_on(tmp_path: Path) -> None:
    """And the file is gone."""
    with (
        pytest.raises(errors.InvalidConfig),
        locked(str(tmp_path / "lock"), fcntl.LOCK_SH, Deadline(1)),
    ):
        raise errors.InvalidConfig("x")
    assert not (tmp_path / "lock").exists()
