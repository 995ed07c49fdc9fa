"""`cni-conformance run` and `replay`, as a user calls them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


pytestmark = pytest.mark.kernel

COMMAND = str(Path(sys.executable).with_name("cni-conformance"))
DOUBLES = Path(__file__).parents[2] / "doubles"
GOOD = DOUBLES / "ipam.py"
BLIND_CHECK = DOUBLES / "broken" / "ipam" / "check_overlooks_reservation.py"
CONF = {
    "cniVersion": "1.1.0",
    "name": "net1",
    "type": "bridge",
    "ipam": {"type": "ipam.py", "subnet": "10.66.0.0/24"},
}

# Fails with a word on standard error only, unless the command or the configuration is at fault.
SILENT = """#!/bin/sh
say() { echo '{"cniVersion": "1.1.0", "code": '"$1"', "msg": "refused"}'; exit 1; }
input=$(cat)
case $CNI_COMMAND in
    VERSION) echo '{"cniVersion": "1.1.0", "supportedVersions": ["1.1.0"]}' ;;
    ADD)
        case $input in *"}") ;; *) say 6 ;; esac
        : "${CNI_CONTAINERID:?}"
        [ -e "$CNI_NETNS" ] || exit 2
        echo '{"cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "'"$CNI_NETNS"'"}]}'
        ;;
    DEL) ;;
    *) say 4 ;;
esac
"""

HANGS = """#!/bin/sh
[ "$CNI_COMMAND" != VERSION ] || exec echo '{"cniVersion": "1.1.0", "supportedVersions": ["1.1.0"]}'
exec sleep 600
"""


class Shell:
    """Runs the command with a configuration, and a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.profile = folder / "pool.toml"
        self.profile.write_text(
            'kind = "ipam"\n[[config]]\n[config.plugin]\ntype = "bridge"\n'
            '[config.plugin.ipam]\ntype = "pool"\nsubnet = "10.66.0.0/24"\n'
        )
        self.config = folder / "10-net1.conf"
        self.config.write_text(json.dumps(CONF))

    def __call__(self, *words: object, code: int) -> str:
        env = {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache"), "COLUMNS": "200"}
        done = subprocess.run(
            [COMMAND, *map(str, words)],
            capture_output=True,
            text=True,
            env=env,
            check=False,
            timeout=110,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "/no/such/plugin"], "/no/such/plugin: there is no such file"),
        (["run", __file__], "is not executable"),
        (["run", GOOD, "--profile", "nonsense"], "no profile 'nonsense'; built in are bandwidth"),
        (["run", GOOD, "--config", "/no/such.conf"], "cannot read configuration /no/such.conf"),
        (["run", GOOD, "--select", "spec/7"], "no requirement matches 'spec/7'"),
        (["run", GOOD, "--spec-version", "3"], "spec version '3': known are 0.1.0"),
        (["run", GOOD, "--report", "pdf=x"], "known are html, junit and json"),
        (["run", GOOD, "--level", "strict"], "strict"),
        (["run", GOOD, "--known-failures", "/no/such.toml"], "cannot read /no/such.toml"),
        (["explain", "spec/1.1.0/DEL/666"], "spec/1.1.0/DEL/6"),
        (["replay", "spec/1.1.0/DEL/6"], "no run has been recorded yet"),
    ],
)
def test_what_cannot_be_done_is_said_and_is_usage(
    words: list[object], message: str, shell: Shell
) -> None:
    assert message in shell(*words, code=2)


def test_a_plugin_without_a_configuration_is_tested_as_far_as_that_goes(shell: Shell) -> None:
    shown = shell("run", GOOD, "--select", "spec", code=0)

    assert "needs a network configuration: --config or --profile" in shown


def test_a_correct_plugin_passes(shell: Shell) -> None:
    select = ["--select", "spec/1.1.0/CHECK", "--select", "spec/1.1.0/DEL"]
    words = [*select, "--level", "field", "--no-generated"]
    shown = shell("run", GOOD, "--profile", shell.profile, *words, code=0)

    assert "CHECK" in shown
    assert "FAIL" not in shown
    assert "left out with --no-generated" in shown


def test_a_broken_one_fails_below_or_at_the_level(shell: Shell) -> None:
    words = ["run", BLIND_CHECK, "--profile", shell.profile, "--select", "spec/1.1.0/CHECK/4"]
    page, results = shell.folder / "report.html", shell.folder / "report.json"
    junit = shell.folder / "junit.xml"
    reports = [f"--report=html={page}", f"--report=json={results}", f"--report=junit={junit}"]

    warned = shell(*words, *reports, code=0)
    failed = shell(*words, "--level", "should", *reports, code=1)

    assert "WARN  spec/1.1.0/CHECK/4" in warned
    assert "FAIL  spec/1.1.0/CHECK/4" in failed
    assert "is gone" in failed
    assert "spec/1.1.0/CHECK/4" in page.read_text()
    assert "<failure" in junit.read_text()
    result, *_ = [row for row in json.loads(results.read_text())["results"] if row["expected"]]
    assert result["status"] == "fail"
    assert result["reproducer"].startswith("#!/bin/sh")


def test_calls_that_are_judged_together_are_told_apart(shell: Shell) -> None:
    """The call that is shown is the one that went wrong, not the last one made."""
    plugin = shell.folder / "silent"
    plugin.write_text(SILENT)
    plugin.chmod(0o755)
    words = ["--config", shell.config, "--select", "spec/1.1.0/errors/3", "--no-generated"]

    shown = shell("run", plugin, *words, "--level", "should", code=1)

    assert "when CNI_CONTAINERID is missing, an error result is printed" in shown
    (call,) = [line for line in shown.splitlines() if line.startswith("  command")]
    assert "CNI_CONTAINERID" not in call


def test_the_reproducer_does_it_again(shell: Shell) -> None:
    results = shell.folder / "report.json"
    words = ["--select", "spec/1.1.0/CHECK/4", "--level", "should", f"--report=json={results}"]
    shell("run", BLIND_CHECK, "--profile", shell.profile, *words, code=1)
    case = "check_notices_what_only_the_plugin_knows"
    rows = json.loads(results.read_text())["results"]
    (result,) = [row for row in rows if row["expected"] and row["case"] == case]
    script = shell.folder / "again.sh"
    script.write_text(result["reproducer"])

    done = subprocess.run(["sh", script], capture_output=True, text=True, check=False, timeout=60)

    calls = [line for line in done.stdout.splitlines() if line.startswith("---")]
    titles = [step["title"] for step in result["steps"]]
    violated = titles.index("spec/1.1.0/CHECK/4 is violated here")
    recorded = [step for step in result["steps"][:violated] if step["kind"] == "plugin"]
    assert calls[0::2] == [f"--- {step['title']}" for step in recorded], done.stderr
    assert calls[1::2] == [f"--- exit status {step['exit_code']}" for step in recorded]
    assert calls[-1] == "--- exit status 0", "CHECK has overlooked the reservation again"


def test_replay_runs_what_failed(shell: Shell) -> None:
    words = ["--select", "spec/1.1.0/CHECK", "--level", "should", "--no-generated"]
    shell("run", BLIND_CHECK, "--profile", shell.profile, *words, code=1)

    shown = shell("replay", "spec/1.1.0/CHECK/4", code=1)

    assert "FAIL  spec/1.1.0/CHECK/4" in shown
    assert "spec/1.1.0/CHECK/6" not in shown
    assert "spec/1.1.0/CHECK/6 did not fail" in shell("replay", "spec/1.1.0/CHECK/6", code=2)


def test_known_failures_are_tolerated_until_their_day(shell: Shell) -> None:
    known = shell.folder / "known.toml"
    entry = '[[known]]\nid = "spec/1.1.0/CHECK/4"\nreason = "being mended"\nexpires = {}\n'
    words = ["run", BLIND_CHECK, "--profile", shell.profile, "--select", "spec/1.1.0/CHECK/4"]
    words += ["--level", "should", "--known-failures", known]

    known.write_text(entry.format("2999-12-31"))
    assert "being mended" in shell(*words, code=0)
    known.write_text(entry.format("2001-01-01"))
    shell(*words, code=1)
    known.write_text('[[known]]\nid = "spec/1.1.0/CHECK/4"\nexpires = 2999-12-31\n')
    assert "entry 1: 'reason' is missing" in shell(*words, code=2)


def test_a_plugin_that_hangs_fails_and_is_no_fault_of_the_harness(shell: Shell) -> None:
    plugin = shell.folder / "hangs"
    plugin.write_text(HANGS)
    plugin.chmod(0o755)
    select = ("--select", "spec/1.1.0/ADD", "--no-generated")

    said = shell("run", plugin, "--config", shell.config, "--level", "field", *select, code=1)

    assert "ADD did not end within 2 s" in said
    assert "needs an ADD that succeeds; ADD did not end within 2 s" in said


def test_an_ipam_plugin_beside_the_plugin_is_used(shell: Shell) -> None:
    for name in ("interface.py", "ipam.py"):
        (shell.folder / name).symlink_to(DOUBLES / name)
    plugin = shell.folder / "interface.py"
    config = {**CONF, "type": "interface.py"}
    shell.config.write_text(json.dumps(config))
    report = shell.folder / "report.json"
    select = ("--select", "spec/1.1.0/ADD/2", "--no-generated", "--spec-version", "1.1.0")

    shell("run", plugin, "--config", shell.config, *select, "--report", f"json={report}", code=0)

    steps = json.loads(report.read_text())["results"][0]["steps"]
    (added,) = [step for step in steps if step["title"].startswith("ADD")]
    assert '"10.66.0.' in added["stdout"]


def test_a_requirement_left_out_says_so(shell: Shell) -> None:
    words = ["--select", "spec/1.1.0/CHECK/4", "--skip", "spec/1.1.0/CHECK", "--level", "should"]

    assert "left out with --skip" in shell(
        "run", BLIND_CHECK, "--profile", shell.profile, *words, code=0
    )


def test_a_machine_without_namespaces_is_the_harness_failing(shell: Shell) -> None:
    line = f"echo 0 >/proc/sys/user/max_net_namespaces && exec {COMMAND} run {GOOD}"

    done = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", line], capture_output=True, text=True, check=False
    )

    assert done.returncode == 3, done.stdout + done.stderr
    assert "cannot make namespaces" in done.stderr
    assert "Traceback" not in done.stderr


def test_nobody_may_run_it(shell: Shell) -> None:
    """Rootless: in a user namespace, with the same findings."""
    words = [COMMAND, "run", str(BLIND_CHECK), "--profile", str(shell.profile)]
    words += ["--select", "spec/1.1.0/CHECK/4", "--level", "should"]
    env = {**os.environ, "XDG_CACHE_HOME": str(shell.folder / "cache")}

    done = subprocess.run(
        ["unshare", "--user", "--map-user=1000", "--map-group=1000", *words]
        if os.geteuid() == 0
        else words,
        capture_output=True,
        text=True,
        env=env,
        check=False,
        timeout=110,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL  spec/1.1.0/CHECK/4" in done.stdout
