"""``make bench``: what a call costs, as a ratio to importing attrs, cattrs and pyroute2.

Every command is measured in turn, round after round, so that a machine that gets slower slows all
of them; the table shows medians of whole processes. Root or user namespaces are needed for bridge.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table


sys.path.insert(0, str(Path(__file__).parents[1] / "demo"))
import sandbox  # lies beside this folder, and is no package


GO_PLUGINS = Path("/usr/lib/cni")
TARGETS = {"VERSION": 0.25, "host-local ADD": 0.45, "bridge ADD": 1.0}
"""The ratios the project promises at most."""


class Bench:
    """Plugins of one kind (ours or Go's) in one directory, with their own state."""

    def __init__(self, name: str, cni_path: Path, work: Path, netns: str) -> None:
        self.name = name
        self.cni_path = cni_path
        self.work = work / name
        self.netns = netns
        self.ids = itertools.count()
        self.work.mkdir()

    def config(self, plugin: str) -> bytes:
        """A configuration of its own bridge and address pool."""
        document = {
            "cniVersion": "1.0.0",
            "name": f"bench-{self.name}",
            "type": plugin,
            "bridge": f"bench-{self.name}",
            "isGateway": True,
            "ipam": {
                "type": "host-local",
                "subnet": "10.98.0.0/16",
                "dataDir": str(self.work / "ipam"),
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
        return json.dumps(document).encode()

    def call(self, verb: str, plugin: str, container: str) -> float:
        """Run a plugin; returns milliseconds."""
        env = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": self.netns,
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.cni_path),
            "CNISDK_RUN_DIR": str(self.work / "run"),
        }
        return timed([str(self.cni_path / plugin)], env, self.config(plugin))

    def version(self) -> float:
        """VERSION of bridge."""
        return self.call("VERSION", "bridge", "c")

    def pair(self, plugin: str) -> tuple[float, float]:
        """ADD, then DEL."""
        container = f"c{next(self.ids)}"
        return self.call("ADD", plugin, container), self.call("DEL", plugin, container)


def timed(argv: list[str], env: dict[str, str], stdin: bytes = b"") -> float:
    """Milliseconds of one process; ends the bench when it fails."""
    start = time.perf_counter()
    done = subprocess.run(argv, input=stdin, env=env, capture_output=True, check=False)
    elapsed = (time.perf_counter() - start) * 1000
    if done.returncode != 0:
        sys.exit(f"{argv[0]} failed: {done.stdout.decode()} {done.stderr.decode()}")
    return elapsed


def measure(rounds: int, kinds: list[Bench]) -> dict[str, list[float]]:
    """All commands in turn, round after round."""
    reference = [sys.executable, "-c", "import attrs, cattrs, pyroute2"]
    samples: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        samples.setdefault(name, []).append(value)

    for count in range(rounds + 1):
        keep: Callable[[str, float], None] = note if count else lambda *_: None  # a warm-up first
        keep("import attrs, cattrs, pyroute2", timed(reference, {"PATH": os.environ["PATH"]}))
        for kind in kinds:
            prefix = "" if kind.name == "ours" else f"{kind.name} "
            keep(f"{prefix}VERSION", kind.version())
            for plugin in ("host-local", "bridge"):
                added, deleted = kind.pair(plugin)
                keep(f"{prefix}{plugin} ADD", added)
                keep(f"{prefix}{plugin} DEL", deleted)
    return samples


def show(samples: dict[str, list[float]], *, as_json: bool) -> bool:
    """Print the table; returns whether every promised ratio held."""
    medians = {name: statistics.median(values) for name, values in samples.items()}
    base = medians["import attrs, cattrs, pyroute2"]
    if as_json:
        sys.stdout.write(json.dumps({name: each / base for name, each in medians.items()}) + "\n")
    else:
        table = Table("command", "median ms", "ratio", "promised")
        for name, median in medians.items():
            wanted = TARGETS.get(name)
            table.add_row(
                name,
                f"{median:.1f}",
                f"{median / base:.2f}",
                ""
                if wanted is None
                else f"<= {wanted} {'ok' if median <= wanted * base else 'NO'}",
            )
        Console().print(table)
    return all(medians[name] <= wanted * base for name, wanted in TARGETS.items())


def main() -> None:
    """Measure in a sandbox."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print the ratios as JSON")
    options = parser.parse_args()
    sandbox.enter()
    with tempfile.TemporaryDirectory(prefix="cnisdk-bench-") as directory:
        work = Path(directory)
        netns = str(work / "netns")
        sandbox.new_netns(netns)
        cnisdk = Path(sys.executable).with_name("cnisdk")
        bin_dir = work / "bin"
        bin_dir.mkdir()
        subprocess.run(
            [str(cnisdk), "install", "reference", "--bin-dir", str(bin_dir)],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        kinds = [Bench("ours", bin_dir, work, netns)]
        if (GO_PLUGINS / "bridge").exists():
            kinds.append(Bench("go", GO_PLUGINS, work, netns))
        held = show(measure(options.rounds, kinds), as_json=options.json)
        sandbox.remove_netns(netns)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
