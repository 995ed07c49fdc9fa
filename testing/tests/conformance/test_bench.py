"""`bench`: what is computed from what was measured, and a run on a plugin of a few lines."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cni_conformance import _engine, _growth, _peak, _settings, bench
from cni_conformance._profile import Configuration, Profile


IPAM = f"""#!{sys.executable} -ISB
import json, os, sys
command, owner = os.environ["CNI_COMMAND"], os.environ.get("CNI_CONTAINERID", "")
config = json.load(sys.stdin)
pool = "/var/lib/pool"
os.makedirs(pool, exist_ok=True)
if command == "VERSION":
    print(json.dumps({{"cniVersion": "1.1.0", "supportedVersions": ["1.1.0"]}}))
if command == "ADD":
    number = 2
    while os.path.exists(f"{{pool}}/10.0.{{number // 256}}.{{number % 256}}"):
        number += 1
    address = f"10.0.{{number // 256}}.{{number % 256}}"
    with open(f"{{pool}}/{{address}}", "w") as file:
        file.write(owner)
    print(json.dumps({{"cniVersion": "1.1.0", "ips": [{{"address": address + "/16"}}]}}))
if command == "DEL":
    for name in os.listdir(pool):
        if open(f"{{pool}}/{{name}}").read() == owner:
            os.unlink(f"{{pool}}/{{name}}")
"""


def test_percentiles_are_values_that_were_measured():
    seconds = [number / 1000 for number in range(100, 0, -1)]
    assert bench.percentile(seconds, 50) == 50.0
    assert bench.percentile(seconds, 95) == 95.0
    assert bench.percentile(seconds, 99) == 99.0
    assert bench.percentile([0.25], 99) == 250.0
    assert bench.percentile([], 50) is None


def test_calls_and_programs_are_counted_in_what_strace_writes():
    lines = [
        '10 execve("/p", ["/p"], 0x7ffd /* 3 vars */) = 0',
        '10 openat(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY) = 3',
        "10 clone3({flags=CLONE_VM} <unfinished ...>",
        '11 execve("/no/q", ["q"], 0x7ffd) = -1 ENOENT (No such file or directory)',
        '11 execve("/bin/q", ["q"], 0x7ffd <unfinished ...>',
        "10 <... clone3 resumed>) = 11",
        "11 <... execve resumed>) = 0",
        '11 execve("/bin/r", ["r"], 0x7ffd <unfinished ...>',
        "11 <... execve resumed>) = -1 ENOENT (No such file or directory)",
        "11 +++ exited with 0 +++",
        "10 --- SIGCHLD {si_signo=SIGCHLD} ---",
        "10 exit_group(0) = ?",
    ]
    assert bench.counted(lines) == (7, 2)


def test_the_peak_is_the_memory_of_the_process_and_not_of_its_parent():
    ballast = bytearray(os.urandom(1) * 80_000_000)
    program = "import sys; print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-ISc", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with _peak.Peak(process.pid) as peak:
            while not peak.bytes:
                pass
        assert 1_000_000 < peak.bytes < len(ballast)
        process.communicate(b"")


def test_a_process_that_has_ended_has_no_mark():
    done = subprocess.Popen(["true"])
    done.wait()
    assert _peak.high_water(done.pid) == 0


def test_a_copied_reservation_has_another_address_and_another_owner(tmp_path):
    path = tmp_path / "10.0.0.9"
    path.write_text("pool-7\r\neth0", newline="")
    (tmp_path / "by-owner").mkdir()
    link = tmp_path / "by-owner" / "pool-7"
    link.symlink_to("10.0.0.9")
    changes = {"pool-7": "pool-8", "10.0.0.9": _growth._later("10.0.0.9", 1)}
    for each in (path, link):
        _growth._Template.read(str(each)).write(changes)
    assert (tmp_path / "10.0.0.10").read_bytes() == b"pool-8\r\neth0"
    assert os.readlink(tmp_path / "by-owner" / "pool-8") == "10.0.0.10"
    assert path.read_bytes() == b"pool-7\r\neth0"


# -- in a sandbox ------------------------------------------------------------------------------------


def _bench(plugin: Path, console: Console, **options: Any) -> dict[str, Any]:
    configuration = Configuration(plugin={"type": "any", "ipam": {"type": plugin.name}})
    profile = Profile(name="tiny", kind="ipam", configurations=(configuration,))
    settings = _settings.Settings(plugin=str(plugin), profile=profile)
    return bench.run(settings, console, **options)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "tiny"
    path.write_text(IPAM)
    path.chmod(0o755)
    return path


@pytest.mark.kernel
def test_a_plugin_is_measured(plugin, monkeypatch):
    monkeypatch.setattr(_growth, "SIZES", (2, 5))
    output = io.StringIO()
    report = _bench(plugin, Console(file=output, width=120), rounds=2)
    assert json.loads(json.dumps(report)) == report
    assert set(report["verbs"]) == set(bench.VERBS)
    add = report["verbs"]["ADD"]
    assert add["calls"] == 2
    assert add["failed"] == 0
    assert add["p50_ms"] <= add["p95_ms"] <= add["p99_ms"]
    assert add["max_rss_bytes"] > 1_000_000
    if shutil.which("strace"):
        assert add["execs"] == 1
        assert add["syscalls"] > 100
    assert [row["reservations"] for row in report["growth"]] == [2, 5]
    assert "10 " in output.getvalue() or "ADD" in output.getvalue()


@pytest.mark.kernel
def test_what_is_too_slow_to_reserve_is_copied(plugin, monkeypatch):
    monkeypatch.setattr(_growth, "SIZES", (100, 300))
    monkeypatch.setattr(_growth, "_BUDGET", 0.0)
    monkeypatch.setattr(_growth.measure, "__defaults__", (0.0,))
    report = _bench(plugin, Console(file=io.StringIO()), rounds=1)
    assert [(row["reservations"], row["copied"]) for row in report["growth"]] == [
        (100, 0),
        (300, 199),
    ]


@pytest.mark.kernel
def test_verbs_that_fail_are_said_to_fail(plugin):
    plugin.write_text(
        IPAM.replace(
            'if command == "DEL"', 'if command == "GC":\n    sys.exit(3)\nif command == "DEL"'
        )
    )
    output = io.StringIO()
    report = _bench(plugin, Console(file=output, width=120), rounds=2, growth=False)
    assert report["verbs"]["GC"]["failed"] == 5
    assert any(note.startswith("GC: 5 calls failed") for note in report["notes"])
    assert "GC (fails)" in output.getvalue()


@pytest.mark.kernel
def test_a_plugin_whose_add_fails_is_not_measured(plugin):
    plugin.write_text(IPAM.replace('if command == "ADD":', 'if command == "ADD":\n    sys.exit(1)'))
    with pytest.raises(_engine.HarnessError, match="ADD"):
        _bench(plugin, Console(file=io.StringIO()), rounds=1)
