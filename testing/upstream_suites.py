"""Run the test suites of the Go plugins against ours: can the one set be put in the place of the other?

    git clone https://github.com/containernetworking/plugins
    python testing/upstream_suites.py build plugins build/bin OUT
    python testing/upstream_suites.py run OUT [NAME...]

Upstream's tests call ``cmdAdd`` and its sisters in their own process. `build` makes test programs in
which these start a plugin instead, in the environment the tests have set, and hand on what it answers.
`run` needs root; suites that need the lab's kernel are run by
``make lab CMD=".venv/bin/python testing/upstream_suites.py run OUT vlan"``. Both need Go, since
some suites build programs of their own.

Tests of inner functions of the Go plugins are not told apart: they pass as they do upstream.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any


_HANDLER = re.compile(r"^func cmd(Add|Del|Check|Status)\(\w* ?\*skel\.CmdArgs\)", re.MULTILINE)
_VERSION = re.compile(r"\[?\b(\d\.\d\.\d)\]?(?: config)? ?")
_APART = ("unshare", "-mn", "--propagation", "private")
_SHIM = """package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
)

func startPlugin(command string, args *skel.CmdArgs) error {
	path := args.Path
	if path == "" {
		path = os.Getenv("PATH")
	}
	plugin := exec.Command("%(plugin)s")
	for _, each := range os.Environ() {
		if !strings.HasPrefix(each, "CNI_") || strings.HasPrefix(each, "CNI_NETNS_OVERRIDE=") {
			plugin.Env = append(plugin.Env, each)
		}
	}
	plugin.Env = append(plugin.Env, "CNI_COMMAND="+command, "CNI_CONTAINERID="+args.ContainerID,
		"CNI_NETNS="+args.Netns, "CNI_IFNAME="+args.IfName, "CNI_ARGS="+args.Args, "CNI_PATH="+path)
	plugin.Stdin = bytes.NewReader(args.StdinData)
	plugin.Stderr = os.Stderr
	answer, failure := plugin.Output()
	if failure == nil {
		_, failure = os.Stdout.Write(answer)
		return failure
	}
	told := &types.Error{}
	if json.Unmarshal(answer, told) != nil || told.Msg == "" {
		return fmt.Errorf("%%w: %%s", failure, answer)
	}
	// Some tests compare with the handler's own error, which is a text and nothing else.
	return errors.New(told.Error())
}
"""


def main() -> None:
    match sys.argv[1:]:
        case ["build", checkout, plugins, out]:
            build(Path(checkout), Path(plugins).absolute(), Path(out).absolute())
        case ["run", out, *names]:
            run(Path(out).absolute(), names)
        case _:
            sys.exit(__doc__)


def build(checkout: Path, plugins: Path, out: Path) -> None:
    """Copy upstream's sources, put the handlers out of action, and compile the suites."""
    source = out / "source"
    shutil.copytree(checkout, source, ignore=shutil.ignore_patterns(".git"))
    (out / "bin").symlink_to(plugins)
    for directory in sorted(source.glob("plugins/*/*")):
        if _redirect(directory, out / "bin" / directory.name):
            program = out / f"{directory.name}.test"
            go = ["go", "test", "-c", "-o", str(program), f"./{directory.relative_to(source)}"]
            subprocess.run(go, cwd=source, env=_go_environment(), check=True)
            print(program.name, flush=True)


def _redirect(directory: Path, plugin: Path) -> bool:
    """Let the handlers of a Go plugin start another plugin; whether it has any."""
    found: list[str] = []
    for file in directory.glob("*.go"):
        text = file.read_text("utf-8")
        if file.name.endswith("_test.go"):
            # The bus of the test, which in the same process is a variable.
            bus = 'os.Setenv("DBUS_SYSTEM_BUS_ADDRESS", busAddr)'
            changed = text.replace("testConn = conn\n", f"testConn = conn\n{bus}\n")
            if changed != text:
                file.write_text(changed.replace('"os/exec"\n', '"os"\n"os/exec"\n', 1), "utf-8")
        elif _HANDLER.search(text) and "windows" not in directory.parts:
            found += _HANDLER.findall(text)
            file.write_text(_HANDLER.sub(lambda m: m[0].replace("cmd", "goCmd", 1), text), "utf-8")
    handlers = [
        f'func cmd{verb}(args *skel.CmdArgs) error {{ return startPlugin("{verb.upper()}", args) }}'
        for verb in found
    ]
    if found:
        shim = _SHIM % {"plugin": plugin} + "\n" + "\n".join(handlers) + "\n"
        (directory / "start_plugin.go").write_text(shim, "utf-8")
    return bool(found)


def _go_environment() -> dict[str, str]:
    return {**os.environ, "GOFLAGS": "-mod=vendor", "CGO_ENABLED": "0"}


def run(out: Path, names: list[str]) -> None:
    """Run suites, each in namespaces of its own, and print what passed and what did not."""
    for name in names or sorted(each.stem for each in out.glob("*.test")):
        (directory,) = (out / "source").glob(f"plugins/*/{name}")
        report = out / f"{name}.json"
        report.unlink(missing_ok=True)
        prepared = (
            "ip link set lo up && mount -t tmpfs run /run && mkdir -p /run/tmp /run/lock /var/lib/cni "
            "&& mount -t tmpfs lib /var/lib/cni && sysctl -qw net.ipv4.ip_forward=1 "
            f'&& umask 0 && exec "$0" -ginkgo.timeout=1h "-ginkgo.json-report={report}"'
        )
        path = f"{out / 'bin'}:{os.environ['PATH']}"
        with (out / f"{name}.log").open("wb") as log:
            subprocess.run(
                [*_APART, "sh", "-c", prepared, str(out / f"{name}.test")],
                cwd=directory,
                env={**_go_environment(), "PATH": path},
                stdout=log,
                stderr=log,
                check=False,
            )
        print(_summary(name, json.loads(report.read_text("utf-8"))), flush=True)


def _summary(name: str, reports: list[dict[str, Any]]) -> str:
    specs = [
        each
        for report in reports
        for each in report["SpecReports"]
        if each["LeafNodeType"] == "It" or each["State"] not in {"passed", "skipped"}
    ]
    failed: dict[str, list[str]] = defaultdict(list)
    for each in specs:
        if each["State"] != "passed":
            text = " ".join([*(each["ContainerHierarchyTexts"] or []), each["LeafNodeText"]])
            version = _VERSION.search(text)
            failed[_VERSION.sub("", text)].append(version[1] if version else each["State"])
    passed = sum(each["State"] == "passed" for each in specs)
    lines = [f"{name}: {passed} of {len(specs)} passed"]
    return "\n".join(lines + [f"  {text}: {' '.join(these)}" for text, these in failed.items()])


if __name__ == "__main__":
    main()
