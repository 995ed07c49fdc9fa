"""host-local beside Debian's Go host-local on one directory: each reads what the other wrote."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import attrs
import pytest


GO = Path("/usr/lib/cni/host-local")
OURS = [sys.executable, "-c", "from reference_plugins.host_local import HostLocal as P; P.main()"]
POOL = {"ranges": [[{"subnet": "10.1.2.0/24"}]]}
DUAL = {"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "2001:db8:1::/64"}]]}
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0")  # what Debian's 1.1.1 knows

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        not GO.exists(), reason=f"{GO} is missing: apt-get install containernetworking-plugins"
    ),
]


@attrs.frozen
class Node:
    """Both plugins, working on the same data directory."""

    root: Path

    @property
    def network(self) -> Path:
        return self.root / "networks" / "net"

    def reserved(self) -> dict[str, bytes]:
        """The network's files, the lock excepted."""
        if not self.network.exists():
            return {}
        return {
            path.name: path.read_bytes() for path in self.network.iterdir() if path.name != "lock"
        }

    def addresses(self) -> set[str]:
        return {name for name in self.reserved() if not name.startswith("last_reserved_ip.")}

    def call(
        self,
        who: str,
        verb: str,
        ipam: dict[str, Any] = POOL,
        container: str = "c1",
        *,
        version: str = "1.0.0",
        prefix: tuple[str, ...] = (),
        **top: Any,
    ) -> tuple[int, dict[str, Any]]:
        """Exit status and answer."""
        document = {
            "cniVersion": version,
            "name": "net",
            "type": "bridge",
            "ipam": {"type": "host-local", "dataDir": str(self.root / "networks"), **ipam},
            **top,
        }
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container,
            "CNI_IFNAME": "eth0",
            "CNI_NETNS": "/var/run/netns/not-there",
            "CNI_PATH": "/usr/lib/cni",
            "CNISDK_RUN_DIR": str(self.root / "run"),
        }
        done = subprocess.run(
            [*prefix, *([str(GO)] if who == "go" else OURS)],
            input=json.dumps(document).encode(),
            capture_output=True,
            env=env,
            check=False,
        )
        return done.returncode, json.loads(done.stdout) if done.stdout else {}

    def ok(self, who: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        status, answer = self.call(who, *args, **kwargs)
        assert not status, (who, args, answer)
        return answer


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "ipam",
    [
        POOL,
        DUAL,
        {"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "gateway": "10.1.2.30"},
        {"ranges": [[{"subnet": "10.1.2.0/30"}, {"subnet": "10.1.3.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.0.0.0/8", "gw": "10.1.2.5"}]},
        {"ranges": [[{"subnet": "fd00:0:0:1::/112", "rangeStart": "fd00:0:0:1::ff"}]]},
    ],
)  # fmt: skip
def test_both_answer_and_write_the_same(tmp_path: Path, ipam: dict[str, Any], version: str) -> None:
    """Results and files are equal, byte for byte; modes are those of newer Go plugins (0600)."""
    nodes = {who: Node(tmp_path / who) for who in ("go", "ours")}
    for n in range(3):
        answers = {
            who: each.ok(who, "ADD", ipam, f"c{n}", version=version) for who, each in nodes.items()
        }
        # Releases of the Go plugins differ in whether they print empty DNS settings.
        for answer in answers.values():
            if not answer.get("dns"):
                answer.pop("dns", None)
        assert answers["go"] == answers["ours"]
        assert nodes["go"].reserved() == nodes["ours"].reserved()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("adds", "removes"), [("go", "ours"), ("ours", "go")])
def test_what_one_added_the_other_checks_and_deletes(
    node: Node, adds: str, removes: str, version: str
) -> None:
    """Swapping the plugin on a node, in either direction, leaves nothing behind."""
    result = node.ok(adds, "ADD", DUAL, version=version)
    if version >= "0.4.0":
        node.ok(removes, "CHECK", DUAL, version=version, prevResult=result)
    node.ok(removes, "DEL", DUAL, version=version)

    assert node.addresses() == set()
    assert set(node.reserved()) == {"last_reserved_ip.0", "last_reserved_ip.1"}


@pytest.mark.parametrize(("first", "second"), [("go", "ours"), ("ours", "go")])
def test_neither_gives_an_address_twice_nor_a_container_two(
    node: Node, first: str, second: str
) -> None:
    """The duplicate check and round robin work across both."""
    node.ok(first, "ADD", POOL, "c1")
    status, answer = node.call(second, "ADD", POOL, "c1")

    assert status
    assert "duplicate allocation is not allowed" in f"{answer['msg']} {answer.get('details')}"
    assert node.ok(second, "ADD", POOL, "c2")["ips"][0]["address"] == "10.1.2.3/24"
    assert node.ok(first, "ADD", POOL, "c3")["ips"][0]["address"] == "10.1.2.4/24"


def test_both_at_the_same_time_stay_apart(node: Node) -> None:
    """Thirty calls of both plugins in parallel: thirty addresses, then none."""
    answers: list[dict[str, Any]] = []

    def work(who: str, start: int) -> None:
        answers.extend(node.ok(who, "ADD", POOL, f"c{n}") for n in range(start, start + 5))

    def undo(who: str, start: int) -> None:
        for n in range(start, start + 5):
            node.ok(who, "DEL", POOL, f"c{n}")

    for job, order in ((work, ("go", "ours")), (undo, ("ours", "go"))):
        threads = [threading.Thread(target=job, args=(order[i % 2], 5 * i)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if job is work:
            assert len({answer["ips"][0]["address"] for answer in answers}) == 30
            assert len(node.addresses()) == 30
    assert node.addresses() == set()


def test_gc_removes_what_go_left(node: Node) -> None:
    """W-HL-6: addresses of containers that vanished under the Go plugin come back."""
    for n in range(3):
        node.ok("go", "ADD", DUAL, f"c{n}")
    valid = [{"containerID": "c1", "ifname": "eth0"}]
    node.ok("ours", "GC", DUAL, version="1.1.0", **{"cni.dev/valid-attachments": valid})

    assert node.addresses() == {"10.1.2.3", "2001:db8:1::3"}
    node.ok("go", "DEL", DUAL, "c1")
    assert node.addresses() == set()


def test_a_lock_held_by_go_is_waited_for(node: Node) -> None:
    """Both take the same lock: a stopped Go plugin that holds it is named when time is up."""
    if shutil.which("strace") is None:
        pytest.skip("strace is missing: apt-get install strace")
    node.ok("go", "ADD")
    # Stop the Go plugin when it opens the reservation of its address, that is, under the lock.
    stopped = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(node.network / "10.1.2.3"),
         "-e", "inject=openat:delay_enter=20000000", str(GO)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        env={"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "slow", "CNI_IFNAME": "eth0",
             "CNI_NETNS": "/x", "CNI_PATH": "/usr/lib/cni", "PATH": os.environ["PATH"]},
        start_new_session=True,
    )  # fmt: skip
    assert stopped.stdin is not None
    ipam = {"type": "host-local", "dataDir": str(node.root / "networks"), **POOL}
    stopped.stdin.write(json.dumps({"cniVersion": "1.0.0", "name": "net", "ipam": ipam}).encode())
    stopped.stdin.close()
    try:
        status, answer = 0, {}
        for _ in range(100):
            status, answer = node.call("ours", "ADD", POOL, "c2", timeoutSeconds=0.3)
            if status:
                break
            node.ok("ours", "DEL", POOL, "c2")
        assert answer["code"] == 11
        assert str(GO) in answer["details"]
    finally:
        os.killpg(stopped.pid, signal.SIGKILL)
        stopped.wait()


@pytest.mark.parametrize(
    "call", ["openat", "linkat", "symlinkat", "unlinkat", "fsync", "renameat", "utimensat"]
)
def test_an_add_killed_at_any_system_call_is_cleaned_up_by_del(node: Node, call: str) -> None:
    """W-HL-2: SIGKILL at the n-th such call on the state, for every n; DEL by ours leaves nothing."""
    if shutil.which("strace") is None:
        pytest.skip("strace is missing: apt-get install strace")
    node.ok("ours", "ADD", DUAL, "other")
    kept = node.addresses()
    # Only calls that touch the state: before the first of them nothing can be left behind.
    state = [
        part
        for path in (node.network, node.root / "networks" / ".cnisdk-index" / "net")
        for part in ("-P", str(path))
    ]
    killed, status = 0, 1
    for n in range(1, 40):
        prefix = (
            "strace", "-f", "-qq", "-o", "/dev/null", *state,
            "-e", f"inject={call}:signal=SIGKILL:when={n}",
        )  # fmt: skip
        status, _ = node.call("ours", "ADD", DUAL, prefix=prefix)
        node.ok("ours", "DEL", DUAL)
        assert node.addresses() == kept, f"killed at {call} number {n}"
        if not status:
            break
        killed += 1
    assert not status
    assert killed
