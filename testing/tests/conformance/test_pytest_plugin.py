"""The suite within pytest: its items, and what becomes of passes, failures, warnings and skips."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


HERE = Path(__file__).parents[2]

# An IPAM plugin that gives out one address and remembers nothing.
PLUGIN = """\
#!/bin/sh
stdin=$(cat)
version=$(printf %s "$stdin" | sed -n 's/.*"cniVersion": *"\\([^"]*\\)".*/\\1/p')
case $CNI_COMMAND in
ADD) echo '{"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.5/16"}]}' ;;
VERSION) echo '{"cniVersion": "'"$version"'", "supportedVersions": ["1.0.0"]}' ;;
esac
"""
FAILS_TWICE = """
if [ "$CNI_COMMAND" = DEL ] && [ -e "/run/deleted-$CNI_CONTAINERID" ]; then
    echo '{"cniVersion": "1.0.0", "code": 999, "msg": "deleted already"}'
    exit 1
fi
[ "$CNI_COMMAND" != DEL ] || : >"/run/deleted-$CNI_CONTAINERID"
"""
NEEDS_PATH = """
if [ "$CNI_COMMAND" != VERSION ] && [ -z "$CNI_PATH" ]; then
    echo '{"cniVersion": "1.0.0", "code": 4, "msg": "CNI_PATH is missing"}'
    exit 1
fi
"""
DEL_TWICE = "spec/1.1.0/DEL/6::delete_again[1.0.0]"
DELETE_AGAIN = ("--cni-select=spec/1.1.0/DEL/6", "-k", "delete_again")


@pytest.fixture
def workplace(tmp_path):
    (tmp_path / "plugin").write_text(PLUGIN)
    (tmp_path / "plugin").chmod(0o755)
    config = {"cniVersion": "1.0.0", "name": "net", "type": "x", "ipam": {"type": "plugin"}}
    (tmp_path / "net.conf").write_text(json.dumps(config))
    (tmp_path / "ipam.toml").write_text('kind = "ipam"\n')
    return tmp_path


def add_sin(workplace, lines):
    (workplace / "plugin").write_text(PLUGIN.replace("\n", lines, 1))


def run_pytest(workplace, *arguments):
    command = [sys.executable, "-m", "pytest", "-p", "cni_conformance", "-rA"]
    command += ["-p", "no:cacheprovider", f"--cni-plugin={workplace / 'plugin'}"]
    command += [
        f"--cni-config={workplace / 'net.conf'}",
        f"--cni-profile={workplace / 'ipam.toml'}",
    ]
    done = subprocess.run(
        [*command, *arguments],
        cwd=workplace,
        env={**os.environ, "PYTHONPATH": str(HERE), "TMPDIR": str(workplace), "PY_COLORS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.kernel
def test_a_good_plugin_passes_with_an_item_for_each_case(workplace):
    status, output = run_pytest(workplace, *DELETE_AGAIN)
    assert status == 0, output
    assert f"PASSED {DEL_TWICE}" in output


@pytest.mark.kernel
def test_a_failure_tells_what_was_asked_and_how_to_see_it_again(workplace):
    add_sin(workplace, FAILS_TWICE)
    status, output = run_pytest(workplace, *DELETE_AGAIN)
    assert status == 1, output
    assert f"FAILED {DEL_TWICE}" in output
    assert re.search(r"^spec/1\.1\.0/DEL/6 \(must, 1\.0\.0\)$", output, re.MULTILINE)
    assert re.search(r"expected: +a second DEL succeeds", output)
    assert re.search(r"actual: +DEL exited with 1 .*(\n.*){0,5}deleted already", output)
    assert "Traceback" not in output
    script = re.search(r"reproducer: sh (\S+)", output)
    assert script
    again = subprocess.run(["sh", script[1]], capture_output=True, text=True, check=False)
    assert "deleted already" in again.stdout


@pytest.mark.kernel
def test_below_the_level_a_violation_is_a_warning_even_under_strict_filters(workplace):
    add_sin(workplace, NEEDS_PATH)
    status, output = run_pytest(workplace, "--cni-select=spec/1.1.0/ADD/7", "-Werror")
    assert status == 0, output
    assert re.search(r"ConformanceWarning: spec/1\.1\.0/ADD/7 \(should, 1\.0\.0\)", output)
    assert re.search(r"expected: +ADD succeeds without CNI_PATH", output)
    status, output = run_pytest(workplace, "--cni-select=spec/1.1.0/ADD/7", "--cni-level=should")
    assert status == 1, output
    assert "FAILED spec/1.1.0/ADD/7::does_without_a_path[1.0.0]" in output


@pytest.mark.kernel
def test_what_is_known_to_fail_is_an_expected_failure(workplace):
    known = '[[known]]\nid = "spec/1.1.0/DEL/6"\nreason = "on our list"\nexpires = 2999-01-01\n'
    (workplace / "known.toml").write_text(known)
    add_sin(workplace, FAILS_TWICE)
    status, output = run_pytest(
        workplace, *DELETE_AGAIN, f"--cni-known-failures={workplace / 'known.toml'}"
    )
    assert status == 0, output
    assert re.search(rf"XFAIL {re.escape(DEL_TWICE)} .*on our list", output)


@pytest.mark.kernel
def test_what_is_left_out_is_a_skip_with_its_reason(workplace):
    (workplace / "ipam.toml").write_text(
        'kind = "ipam"\n[unsupported]\n"spec/1.1.0/DEL/6" = "does not do that by design"\n'
    )
    status, output = run_pytest(workplace, "--cni-select=spec/1.1.0/DEL/6")
    assert status == 0, output
    assert re.search(r"SKIPPED .*does not do that by design", output)


@pytest.mark.kernel
def test_other_tests_run_beside_it_and_k_chooses(workplace):
    (workplace / "test_mine.py").write_text("def test_mine(): pass\n")
    chosen = ("-k", "delete_again or mine")
    _, both = run_pytest(workplace, "--cni-select=spec/1.1.0/DEL/6", "test_mine.py", *chosen)
    assert "PASSED test_mine.py::test_mine" in both
    assert f"PASSED {DEL_TWICE}" in both
    _, mine = run_pytest(workplace, "--cni-select=spec/1.1.0/DEL/6", "-k", "mine")
    assert "PASSED test_mine.py::test_mine" in mine
    assert DEL_TWICE not in mine
    _, suite = run_pytest(workplace, "-k", "DEL/6 and delete_again")
    assert "test_mine" not in suite
    assert f"PASSED {DEL_TWICE}" in suite


@pytest.mark.kernel
def test_items_can_be_listed_without_carrying_them_out(workplace):
    status, output = run_pytest(workplace, "--collect-only", "-q", "--cni-spec-version=1.0.0")
    assert status == 0, output
    assert DEL_TWICE in output.splitlines()
    assert len(re.findall(r"^(spec|field|sec|perf)/\S+::\w+", output, re.MULTILINE)) > 50


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--cni-plugin=/nowhere", "/nowhere: there is no such file"),
        ("--cni-level=most", "level 'most': known are must"),
        ("--cni-select=spec/9", "no requirement matches 'spec/9'"),
        ("--cni-profile=nobody", "no profile 'nobody'"),
    ],
)
def test_a_mistake_in_the_options_ends_the_run_with_a_word_about_it(workplace, argument, message):
    status, output = run_pytest(workplace, argument)
    assert status == pytest.ExitCode.USAGE_ERROR
    assert message in output
    assert "Traceback" not in output


def test_without_a_plugin_it_adds_nothing_and_imports_nothing(workplace):
    (workplace / "test_mine.py").write_text(
        "import sys\n"
        "def test_mine():\n"
        "    heavy = [name for name in sys.modules if name.startswith(('cni_conformance.', 'pyroute2'))]\n"
        "    assert heavy == ['cni_conformance.pytest_plugin']\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "cni_conformance", "-q"],
        cwd=workplace,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
