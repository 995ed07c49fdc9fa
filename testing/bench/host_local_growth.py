"""What host-local's ADD and DEL cost in pools of 10, 1,000 and 60,000 reservations.

Whole processes, cold; ratios are to the same call in an empty pool. The pools are written by this
script in the Go plugin's layout, so that the first ADD meets them without an index; every other ADD
and DEL comes after that one. Exits with 1 when an ADD costs more than 1.5 times an ADD into an empty
pool.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from ipaddress import IPv4Address
from pathlib import Path

from rich.console import Console
from rich.table import Table


LIMIT = 1.5
ROUNDS = 15
FIRSTS = 3
GO = Path("/usr/lib/cni/host-local")
OURS = [sys.executable, "-c", "from reference_plugins.host_local import HostLocal as P; P.main()"]
BASE = int(IPv4Address("10.98.0.0"))


class Pool:
    """A data directory with one network of a given number of reservations."""

    def __init__(self, root: Path, name: str, count: int, *, last: bool) -> None:
        self.data_dir = root / name
        self.run_dir = root / "run"
        self.count = count
        self.name = f"{count:,}" + ("" if last or not count else " (no last_reserved_ip)")
        network = self.data_dir / "bench"
        network.mkdir(parents=True)
        for n in range(count):
            (network / str(IPv4Address(BASE + 2 + n))).write_bytes(b"%064x\r\neth0" % n)
        if last and count:
            (network / "last_reserved_ip.0").write_text(str(IPv4Address(BASE + 1 + count)))

    def call(self, command: list[str], verb: str, container: str) -> float:
        """Run a plugin; returns milliseconds."""
        ipam = {"type": "host-local", "subnet": "10.98.0.0/16", "dataDir": str(self.data_dir)}
        stdin = json.dumps({"cniVersion": "1.0.0", "name": "bench", "ipam": ipam}).encode()
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX", ""),
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container,
            "CNI_IFNAME": "eth0",
            "CNI_NETNS": "/var/run/netns/bench",
            "CNI_PATH": "/opt/cni/bin",
            "CNISDK_RUN_DIR": str(self.run_dir),
        }
        start = time.perf_counter()
        done = subprocess.run(command, input=stdin, env=env, capture_output=True, check=False)
        taken = (time.perf_counter() - start) * 1000
        if done.returncode:
            sys.exit(f"{verb} into {self.name}: {done.stdout.decode()}{done.stderr.decode()}")
        return taken


def pools(root: Path) -> list[Pool]:
    """All sizes; what was written is synced, or the first fsync would pay for it."""
    sizes = ((0, True), (10, True), (1_000, True), (60_000, True), (60_000, False))
    made = [Pool(root, f"{count}-{last}", count, last=last) for count, last in sizes]
    os.sync()
    return made


def firsts(root: Path) -> dict[str, float]:
    """Medians of the first ADD into a pool nobody but this script has touched."""
    times: dict[str, list[float]] = {}
    for n in range(FIRSTS):
        for pool in pools(root / str(n)):
            times.setdefault(pool.name, []).append(pool.call(OURS, "ADD", "first"))
    return {name: statistics.median(each) for name, each in times.items()}


def steady(made: list[Pool], command: list[str], rounds: int) -> dict[str, tuple[float, float]]:
    """Medians of ADD and DEL, all pools in turn."""
    times: dict[str, list[tuple[float, float]]] = {pool.name: [] for pool in made}
    for n in range(rounds):
        for pool in made:
            pair = pool.call(command, "ADD", f"c{n}"), pool.call(command, "DEL", f"c{n}")
            times[pool.name].append(pair)
    return {
        name: (statistics.median(a for a, _ in each), statistics.median(d for _, d in each))
        for name, each in times.items()
    }


def main() -> int:
    """Print the table; 1 when a ratio is above the limit."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        made = pools(root / "steady")
        for pool in made:
            pool.call(OURS, "ADD", "warm-up")
        ours = steady(made, OURS, ROUNDS)
        first = firsts(root)
        go = steady(made, [str(GO)], 3) if GO.exists() else {}
    empty = made[0].name
    table = Table(title="host-local, cold processes: milliseconds (ratio to the empty pool)")
    for heading in ("reservations", "first ADD", "ADD", "DEL", "Go ADD", "Go DEL"):
        table.add_column(heading, justify="left" if heading == "reservations" else "right")

    def cell(value: float, base: float) -> str:
        return f"{value:.1f} ({value / base:.2f})"

    worst = 0.0
    for pool in made:
        name = pool.name
        cells = [
            cell(first[name], first[empty]),
            cell(ours[name][0], ours[empty][0]),
            cell(ours[name][1], ours[empty][1]),
        ]
        cells += [cell(go[name][i], go[empty][i]) for i in (0, 1)] if go else ["-", "-"]
        table.add_row(name, *cells)
        worst = max(worst, first[name] / first[empty], ours[name][0] / ours[empty][0])
    console = Console(width=110)
    console.print(table)
    console.print(f"worst ADD: {worst:.2f} times an empty pool's, limit {LIMIT}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
