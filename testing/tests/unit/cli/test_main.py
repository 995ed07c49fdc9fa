"""The program as a whole: help, exit statuses, colours, and that plugins never load it."""

import os
import subprocess
import sys

import pytest

from cnisdk.cli import app
from cnisdk.cli._output import clean, version_range
from cnisdk.versions import ALL


COMMANDS = (
    "add", "check", "del", "gc", "status", "install", "uninstall", "plugins", "lint", "schema",
    "doctor", "trace", "dhcp-daemon",
)  # fmt: skip


def program(*words, **env):
    """Run the command as a process."""
    command = [sys.executable, "-m", "cnisdk", *map(str, words)]
    return subprocess.run(
        command, env=os.environ | env, capture_output=True, text=True, check=False
    )


def test_help_lists_the_commands_and_the_exit_codes(cnisdk):
    """What scripts rely on is documented where people look."""
    outcome = cnisdk("--help")

    assert outcome.code == 0
    for command in COMMANDS:
        assert f" {command} " in outcome.stdout
    assert "Exit codes" in outcome.stdout
    assert "130 interrupted" in outcome.stdout
    assert "NO_COLOR" in outcome.stdout


@pytest.mark.parametrize("command", [each for each in COMMANDS if each != "dhcp-daemon"])
def test_every_command_has_help_and_speaks_json(cnisdk, command):
    """--json is on every command, its keys are in the help text."""
    outcome = cnisdk(command, "--help")

    assert outcome.code == 0
    assert "--json" in outcome.stdout
    assert "JSON" in outcome.stdout


@pytest.mark.parametrize(
    "words", [["nonsense"], ["add"], ["install"], ["add", "n", "ns", "--nope"]]
)
def test_a_wrong_command_line_ends_with_2(words):
    """And is told apart from a failed operation by that."""
    done = program(*words)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_version_is_printed():
    """For bug reports."""
    assert program("--version").stdout.startswith("cnisdk 0.")


def test_an_unexpected_failure_is_no_traceback(monkeypatch, capsys):
    """A defect of ours is reported as one."""
    from cnisdk import cli

    def fail(**_):
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 1
    assert "unexpected RuntimeError: nobody thought of this" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("env", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1", "TERM": "xterm"}, True),
        ({"FORCE_COLOR": "1", "TERM": "xterm", "NO_COLOR": "1"}, False),
    ],
)
def test_colours_are_for_terminals(node, env, coloured):
    """Neither in a pipe nor where NO_COLOR asks for none."""
    done = program("lint", node.write("10-x.conflist", "{}"), **env)

    assert done.returncode == 1
    assert ("31m" in done.stdout) is coloured


def test_a_pipe_gets_whole_lines(node):
    """What is searched with grep must not be broken at column 80."""
    path = node.write(f"10-{'a' * 150}.conflist", {"cniVersion": "1.1.0", "plugins": []})

    found, summary = program("lint", path).stdout.splitlines()[1:]

    assert found.startswith(str(path))
    assert found.endswith("[no-plugins]")
    assert summary == "2 errors in 1 file"


def test_a_reader_that_leaves_early_is_no_error_message():
    """``cnisdk schema | head -1``."""
    command = f"{sys.executable} -m cnisdk schema | head -1"

    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)

    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_plugins_never_load_the_command_line():
    """typer and rich alone take longer than some calls may."""
    code = (
        "import sys, cnisdk._runtime, reference_plugins.bridge, reference_plugins.host_local; "
        "print([m for m in ('cnisdk.cli', 'cnisdk.install', 'cnisdk._schema', 'typer', 'rich') "
        "if m in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (ALL, "0.1.0 - 1.1.0"),
        (("0.4.0", "1.0.0"), "0.4.0, 1.0.0"),
        (("0.3.1", "1.0.0", "1.1.0"), "0.3.1, 1.0.0, 1.1.0"),
        (("0.4.0", "1.0.0", "1.1.0", "9.9.9"), "0.4.0, 1.0.0, 1.1.0, 9.9.9"),
        ((), ""),
    ],
)
def test_versions_are_shown_as_a_range_when_none_is_missing(versions, expected):
    """Seven versions are too much for a table."""
    assert version_range(versions) == expected


def test_control_characters_are_spelled_out():
    """Nothing from outside reaches the terminal as a command."""
    assert clean("a\x1b[2Jb\r\x00ü\n") == "a\\x1b[2Jb\\r\\x00ü\n"


def test_the_commands_are_registered_once():
    """Two families must not claim one name."""
    names = [str(each.name) for each in app.registered_commands]

    assert sorted(names) == sorted(COMMANDS)
