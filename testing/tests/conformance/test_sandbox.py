"""What happens in a sandbox is seen inside it, and nowhere else."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cni_conformance import _kernel, _sandbox, _worker
from cni_conformance.state import Observer


pytestmark = pytest.mark.kernel


def inside(work: Callable[[_sandbox.Sandbox], Any], keep: list[str] | None = None) -> Any:
    """What a function returns that runs in a sandbox."""

    def enter() -> Any:
        return work(_sandbox.enter(keep or []))

    crew = _worker.Crew(jobs=1, limit=60)
    outcome = next(iter(crew.run(iter([("only", enter)]))))[1]
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def outside() -> dict[str, Any]:
    """What a sandbox must not change, as far as it can be listed quickly."""
    links = subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout
    return {
        "links": [link["ifname"] for link in json.loads(links)],
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "namespaces": sorted(os.listdir("/run/netns")) if Path("/run/netns").exists() else [],
        "forwarding": Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        "root": sorted(os.listdir("/")),
        "etc": sorted(os.listdir("/etc")),
    }


def test_nothing_outside_changes() -> None:
    before = outside()

    def change(sandbox: _sandbox.Sandbox) -> list[str]:
        subprocess.run(["ip", "link", "add", "cf0", "type", "veth", "peer", "cf1"], check=True)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        _kernel.make_netns("/run/netns/conformance")
        for path in (
            "/conformance-root",
            "/etc/conformance",
            "/run/conformance",
            "/tmp/conformance",
        ):
            Path(path).write_text("here")
        Path("/etc/hostname").unlink(missing_ok=True)
        return [path for path in os.listdir("/") if path.startswith("conformance")]

    assert inside(change) == ["conformance-root"]
    assert outside() == before
    assert not Path("/tmp/conformance").exists()
    assert not Path("/run/conformance").exists()


def test_every_file_is_seen_wherever_it_is_written(tmp_path: Path) -> None:
    def write(sandbox: _sandbox.Sandbox) -> list[str]:
        observer = Observer(sandbox)
        before = observer.observe({})
        for path in (
            "/conformance",
            "/etc/conformance",
            "/run/conformance",
            "/var/lib/conformance",
        ):
            Path(path).write_text("here")
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "file").write_text("there")
        return before.diff(observer.observe({}))

    found = inside(write)

    for path in ("/conformance", "/etc/conformance", "/run/conformance", "/var/lib/conformance"):
        assert f"+ file: {path} -rw-r--r-- 'here'" in found
    assert f"+ file: {tmp_path}/deep/file -rw-r--r-- 'there'" in found


def test_state_directories_are_empty_and_what_is_kept_is_there(tmp_path: Path) -> None:
    def look(sandbox: _sandbox.Sandbox) -> Any:
        kept = Path("/run/conformance-kept/plugin")
        return [os.listdir("/var/lib"), sorted(os.listdir("/run")), kept.exists()]

    folder = Path("/run/conformance-kept")
    if not os.access("/run", os.W_OK):
        pytest.skip("needs a directory in /run")
    folder.mkdir()
    try:
        (folder / "plugin").write_text("#!/bin/sh\n")
        assert inside(look, [str(folder / "plugin")]) == [[], ["conformance-kept", "netns"], True]
    finally:
        (folder / "plugin").unlink()
        folder.rmdir()


def test_every_kind_of_change_is_seen() -> None:
    def change(sandbox: _sandbox.Sandbox) -> list[str]:
        observer = Observer(sandbox)
        _kernel.make_netns("/run/netns/c1")
        observer.ignored.add("/run/netns/c1")
        before = observer.observe({"c1": "/run/netns/c1"})
        for line in (
            "ip link add v0 type veth peer name v1",
            "ip link set v1 netns c1",
            "ip addr add 192.0.2.1/24 dev v0",
            "ip link set v0 up alias owner",
            "ip route add 198.51.100.0/24 via 192.0.2.9",
            "ip rule add from 192.0.2.7 table 77",
            "ip neigh add 192.0.2.8 lladdr 02:00:00:00:00:08 dev v0 nud permanent",
            "tc qdisc add dev v0 root tbf rate 1mbit burst 16kb latency 25ms",
            "nft add table inet conformance",
            "sysctl -qw net.ipv4.ip_forward=1",
            "sleep 60 &",
        ):
            subprocess.run(["sh", "-ec", line], check=True)
        return before.diff(observer.observe({"c1": "/run/netns/c1"}))

    found = "\n".join(inside(change))

    for line in (
        "+ host link: v0 veth up",
        "alias 'owner'",
        "+ c1 link: v1 veth down",
        "+ host address: v0 192.0.2.1/24",
        "+ host route: 198.51.100.0/24 via 192.0.2.9 dev v0",
        "+ host rule: inet 32765: from 192.0.2.7/32 table 77",
        "+ host neighbour: v0 192.0.2.8 02:00:00:00:00:08",
        "+ host qdisc: v0 tbf",
        "+ host firewall: table inet conformance",
        "- host sysctl: net.ipv4.ip_forward = 0",
        "+ host sysctl: net.ipv4.ip_forward = 1",
        "+ process: sleep 60",
    ):
        assert line in found


def test_asking_iptables_is_no_change() -> None:
    def change(sandbox: _sandbox.Sandbox) -> list[list[str]]:
        observer = Observer(sandbox)
        before = observer.observe({})
        found: list[list[str]] = []
        for line in ("iptables -t nat -S", "iptables -t nat -N CONFORMANCE"):
            subprocess.run(["sh", "-ec", line], check=True, stdout=subprocess.DEVNULL)
            found.append(before.diff(observer.observe({})))
        return found

    asked, made = inside(change)

    assert asked == []
    assert any("CONFORMANCE" in each for each in made)


def test_nothing_survives_the_process_of_a_case() -> None:
    def leave(sandbox: _sandbox.Sandbox) -> int:
        script = "setsid sleep 71234 >/dev/null 2>&1 & echo $!"
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        return int(done.stdout)

    pid = inside(leave)

    assert (
        not Path(f"/proc/{pid}/cmdline").exists()
        or b"71234" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    )


def test_a_worker_that_dies_is_an_error_with_its_last_words() -> None:
    def die(sandbox: _sandbox.Sandbox) -> None:
        print("last words", flush=True)
        os._exit(7)

    with pytest.raises(_worker.WorkerError, match=r"exited with 7: last words"):
        inside(die)
