"""`cni-conformance runtime`: the command line of this side."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from cni_conformance._outcome import Report
from cni_conformance._settings import UsageError
from cni_conformance._versions import NEWEST
from cni_conformance.runtime_side import session
from cni_conformance.runtime_side._configuration import default_conflist, read_conflist


CONTEXT = {"allow_interspersed_args": False}
"""For `app.command`: what follows COMMAND belongs to it."""
_USAGE, _NOTHING = 2, 3
_TRY_AGAIN = 11


class Level(StrEnum):
    """What counts as failure."""

    MUST = "must"
    SHOULD = "should"
    FIELD = "field"


def runtime(
    command: Annotated[
        list[str],
        typer.Argument(
            help="What calls plugins. {bin}, {conf}, {conflist} and {record} in its words stand for paths.",
            metavar="COMMAND...",
        ),
    ],
    *,
    conflist: Annotated[
        str | None,
        typer.Option(
            help="The network; its plugins are replaced by recording ones.", metavar="FILE"
        ),
    ] = None,
    fail: Annotated[
        list[str] | None,
        typer.Option(
            help="A plugin's call that fails, such as conformance-second:ADD or conformance-second:ADD:11.",
            metavar="PLUGIN:CNI_COMMAND[:CODE]",
        ),
    ] = None,
    slow: Annotated[
        list[str] | None,
        typer.Option(
            help="A plugin's call that takes longer.", metavar="PLUGIN:CNI_COMMAND:SECONDS"
        ),
    ] = None,
    disable_check: Annotated[
        bool, typer.Option("--disable-check", help="Set disableCheck in the network.")
    ] = False,
    disable_gc: Annotated[
        bool, typer.Option("--disable-gc", help="Set disableGC in the network.")
    ] = False,
    spec_version: Annotated[
        str, typer.Option(help="The newest version the runtime claims to follow.", metavar="V")
    ] = NEWEST,
    level: Annotated[Level, typer.Option(help="Failures below it are warnings.")] = Level.MUST,
    timeout: Annotated[
        float, typer.Option(help="How long COMMAND may take.", metavar="SECONDS")
    ] = 120.0,
    linger: Annotated[
        float,
        typer.Option(
            help="After COMMAND, wait until no call has come for so long.", metavar="SECONDS"
        ),
    ] = 0.0,
    name: Annotated[
        str, typer.Option(help="What to call the runtime in reports.", metavar="NAME")
    ] = "",
    report: Annotated[
        list[str] | None,
        typer.Option(help="Write html=PATH, junit=PATH or json=PATH.", metavar="FORMAT=PATH"),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what passed, and COMMAND's output.")
    ] = False,
) -> None:
    """Judge a runtime: COMMAND finds recording plugins by CNI_PATH and NETCONFPATH.

    Exit status: 0 nothing failed at the chosen level, 1 something did, 2 usage, 3 nothing was recorded.
    """
    try:
        writers = [_writer(each) for each in report or []]
        network = read_conflist(conflist) if conflist else default_conflist(spec_version)
        network |= {"disableCheck": True} if disable_check else {}
        network |= {"disableGC": True} if disable_gc else {}
        found = session.run(
            command,
            conflist=network,
            timeout=timeout,
            spec_version=spec_version,
            level=level.value,
            script=_script(fail or [], slow or []),
            linger=linger,
            name=name,
        )
    except UsageError as failure:
        _end(str(failure), _USAGE)
    if verbose or found.problem:
        for text in (found.stdout, found.stderr):
            print(text, end="", file=sys.stderr)
    if found.problem:
        ended = "" if found.exit_code is None else f" (it exited with {found.exit_code})"
        _end(f"nothing to judge: {found.problem}{ended}", _NOTHING)
    _print(found.report, verbose=verbose)
    with _written():
        for write, path in writers:
            write(found.report, path)
    raise typer.Exit(found.exit_status)


def _print(report: Report, *, verbose: bool) -> None:
    from cni_conformance.report.terminal import TerminalReport

    console = Console(highlight=False)
    TerminalReport(console, level=report.level, verbose=verbose).finished(report)


def _script(fail: list[str], slow: list[str]) -> dict[str, dict[str, dict[str, Any]]]:
    script: dict[str, dict[str, dict[str, Any]]] = {}
    for option, texts, key, default in (
        ("--fail", fail, "code", str(_TRY_AGAIN)),
        ("--slow", slow, "sleep", ""),
    ):
        for text in texts:
            plugin, _, rest = text.partition(":")
            command, _, value = rest.partition(":")
            try:
                number = float(value or default)
            except ValueError:
                raise UsageError(f"{option} {text!r}: a number is missing at its end") from None
            if not plugin or not command:
                raise UsageError(f"{option} {text!r}: write PLUGIN:CNI_COMMAND and a number")
            behaviour = script.setdefault(plugin, {}).setdefault(command, {})
            behaviour[key] = int(number) if key == "code" else number
    return script


def _writer(option: str) -> tuple[Callable[[Report, str], None], str]:
    from cni_conformance.report import html, json_file, junit

    known = {"html": html.write, "junit": junit.write, "json": json_file.write}
    format, _, path = option.partition("=")
    if format not in known or not path:
        raise UsageError(f"--report {option!r}: write html=PATH, junit=PATH or json=PATH")
    return known[format], path


@contextlib.contextmanager
def _written() -> Any:
    try:
        yield
    except OSError as failure:
        _end(f"the report cannot be written: {failure}", _NOTHING)


def _end(message: str, status: int) -> NoReturn:
    print(f"cni-conformance: {message}", file=sys.stderr)
    raise typer.Exit(status)
