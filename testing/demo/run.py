"""``make demo``: two containers on a bridge, through the installed plugins, in a private sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import sandbox
from rich.console import Console
from rich.table import Table


NETWORK = {
    "cniVersion": "1.1.0",
    "name": "demo",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "demo0",
            "isDefaultGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.99.0.0/24"}], [{"subnet": "fd99::/64"}]],
            },
        }
    ],
}
CONTAINERS = ("red", "blue")
console = Console()


class Demo:
    """The directories and namespaces of one run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cnisdk = str(Path(sys.executable).with_name("cnisdk"))
        self.bin = root / "bin"
        self.conf = root / "net.d"
        self.data = root / "ipam"
        self.netns = {name: str(root / "netns" / name) for name in CONTAINERS}
        for directory in (self.bin, self.conf, self.data, root / "netns"):
            directory.mkdir()
        os.environ["CNISDK_RUN_DIR"] = str(root / "run")

    def command(self, *words: str) -> Any:
        """Run cnisdk; end the demo when it fails."""
        done = subprocess.run(
            [self.cnisdk, *words, "--json"], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            console.print(f"[bold red]failed:[/] cnisdk {' '.join(words)}")
            console.print(done.stdout + done.stderr, markup=False, highlight=False)
            sys.exit(1)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def network(self, verb: str, *words: str) -> Any:
        """Run a verb on the demo network."""
        places = ("--conf-dir", str(self.conf), "--cni-path", str(self.bin))
        return self.command(verb, "demo", *words, *places, "--cache-dir", str(self.root / "cache"))

    def run(self) -> None:
        """The whole story."""
        step("install", "the reference plugins as executables, as an operator would")
        self.command("install", "reference", "--bin-dir", str(self.bin))
        config = json.loads(json.dumps(NETWORK))
        config["plugins"][0]["ipam"]["dataDir"] = str(self.data)
        (self.conf / "10-demo.conflist").write_text(json.dumps(config, indent=2))
        console.print(f"  {', '.join(sorted(each.name for each in self.bin.iterdir()))}")

        step("STATUS", "is the network ready?")
        self.network("status")
        console.print("  ready")

        step("ADD", "attach two containers to the network")
        addresses = {name: self.attach(name) for name in CONTAINERS}

        step("traffic", "container to container, and container to gateway")
        for name, target in (
            ("red", addresses["blue"]),
            ("blue", addresses["red"]),
            ("red", "10.99.0.1"),
            ("blue", "10.99.0.1"),
        ):
            self.ping(name, target)

        step("CHECK", "is everything still as ADD left it?")
        for name in CONTAINERS:
            self.network("check", self.netns[name])
            console.print(f"  {name}: as it should be")

        step("DEL", "detach red; blue's container dies without a DEL, as in a crash")
        self.network("del", self.netns["red"])
        for path in self.netns.values():
            sandbox.remove_netns(path)
        self.expect(self.reservations(), 2, "reservations left by blue (IPv4 and IPv6)")

        step("GC", "no attachment is valid any more: clean up what blue left")
        self.network("gc", "--everything")
        self.expect(self.reservations(), 0, "reservations left")
        veths = [name for name in sandbox.interfaces() if name.startswith("veth")]
        self.expect(len(veths), 0, "veth interfaces left on the host")

    def attach(self, name: str) -> str:
        """ADD one container and show its result."""
        sandbox.new_netns(self.netns[name])
        start = time.perf_counter()
        result = self.network("add", self.netns[name])
        elapsed = (time.perf_counter() - start) * 1000
        table = Table(title=f"{name} ({elapsed:.0f} ms)", title_justify="left")
        for column in ("interface", "where", "mac", "addresses"):
            table.add_column(column)
        for index, interface in enumerate(result["interfaces"]):
            ips = [ip["address"] for ip in result["ips"] if ip.get("interface") == index]
            where = "container" if interface.get("sandbox") else "host"
            table.add_row(interface["name"], where, interface.get("mac", ""), ", ".join(ips))
        console.print(table)
        return str(result["ips"][0]["address"]).partition("/")[0]

    def ping(self, name: str, target: str) -> None:
        """Ping, or end the demo."""
        elapsed = sandbox.ping(self.netns[name], target)
        if elapsed is None:
            sys.exit(f"no answer from {target} to {name}")
        console.print(f"  {name} -> {target}: {elapsed:.2f} ms")

    def reservations(self) -> int:
        """How many addresses are reserved on disk."""
        return sum(
            not each.name.startswith(("last_reserved_ip", "lock", "."))
            for each in (self.data / "demo").iterdir()
        )

    @staticmethod
    def expect(found: int, wanted: int, what: str) -> None:
        """Compare a count, or end the demo."""
        if found != wanted:
            sys.exit(f"{what}: {found}, expected {wanted}")
        console.print(f"  {what}: {found}")


def step(name: str, text: str) -> None:
    """Announce a step."""
    console.print(f"\n[bold cyan]{name}[/] {text}")


def main() -> None:
    """Run the demo in a sandbox of its own."""
    start = time.monotonic()
    sandbox.enter()
    with tempfile.TemporaryDirectory(prefix="cnisdk-demo-") as directory:
        Demo(Path(directory)).run()
    console.print(f"\n[bold green]Everything worked[/] in {time.monotonic() - start:.1f} s.")
    console.print(
        "Next: README.md has a complete plugin in 30 lines; reference_plugins/bridge.py is the one "
        "you just used;\n`.venv/bin/cnisdk --help` lists the commands, `make test` runs the tests."
    )


if __name__ == "__main__":
    main()
