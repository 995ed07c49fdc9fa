"""The command line."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Generator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from cni_conformance import _engine, _settings
from cni_conformance._outcome import Report, Status
from cni_conformance._requirements import matches, requirements
from cni_conformance.runtime_side import command


app = typer.Typer(
    name="cni-conformance",
    help="Test CNI plugins, in any language, against the specification and the lessons of the field.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_USAGE, _HARNESS = 2, 3


class Level(StrEnum):
    """What counts as failure."""

    MUST = "must"
    SHOULD = "should"
    FIELD = "field"


class Format(StrEnum):
    """How to print the requirements."""

    TABLE = "table"
    MD = "md"
    JSON = "json"


Plugin = Annotated[str, typer.Argument(help="The executable to test.", metavar="PLUGIN")]
Config = Annotated[
    str | None,
    typer.Option(
        help="Network configuration: the plugin's own, or a list with it.", metavar="FILE"
    ),
]
ProfileOption = Annotated[
    str | None, typer.Option(help="A built-in profile, or a TOML file.", metavar="FILE|NAME")
]
CniPath = Annotated[
    list[str] | None, typer.Option(help="A directory with other plugins.", metavar="DIR")
]


@app.command()
def run(
    plugin: Plugin,
    config: Config = None,
    profile: ProfileOption = None,
    cni_path: CniPath = None,
    level: Annotated[Level, typer.Option(help="Failures below it are warnings.")] = Level.MUST,
    spec_version: Annotated[
        list[str] | None, typer.Option(help="Test this version alone.", metavar="V")
    ] = None,
    select: Annotated[
        list[str] | None, typer.Option(help="Test these requirements alone.", metavar="ID|GLOB")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Leave these requirements out.", metavar="ID|GLOB")
    ] = None,
    generated: Annotated[
        bool,
        typer.Option(
            "--generated/--no-generated", help="Run generated cases, which take most of the time."
        ),
    ] = True,
    seed: Annotated[int, typer.Option(help="Of the generated cases.", metavar="N")] = 0,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", help="Cases at a time.", metavar="N")
    ] = None,
    report: Annotated[
        list[str] | None,
        typer.Option(help="Write html=PATH, junit=PATH or json=PATH.", metavar="FORMAT=PATH"),
    ] = None,
    known_failures: Annotated[
        str | None, typer.Option(help="Failures that are tolerated until a date.", metavar="FILE")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what passed, and every step.")
    ] = False,
) -> None:
    """Test a plugin.

    Exit status: 0 nothing failed at the chosen level, 1 something did, 2 usage, 3 the harness failed.
    """
    writers = [_writer(each) for each in report or []]
    with _errors():
        settings = _settings.make(
            plugin,
            config=config,
            profile=profile,
            cni_path=cni_path or [],
            level=level.value,
            versions=spec_version or [],
            select=select or [],
            skip=skip or [],
            generated=generated,
            seed=seed,
            jobs=jobs,
            known_failures=known_failures,
            command=sys.argv[1:],
        )
        outcome = _carry_out(settings, verbose=verbose)
        for write, path in writers:
            write(outcome, path)
        _keep(outcome)
    raise typer.Exit(_engine.exit_status(outcome))


@app.command(name="list")
def list_requirements(
    format: Annotated[Format, typer.Option(help="How.")] = Format.TABLE,
    select: Annotated[list[str] | None, typer.Option(metavar="ID|GLOB", help="Only these.")] = None,
) -> None:
    """List the requirements."""
    from cni_conformance import _catalogue

    rows = [
        row
        for row in requirements().values()
        if not select or any(matches(row.id, pattern) for pattern in select)
    ]
    if not rows:
        _usage("no requirement matches")
    if format is Format.TABLE:
        _catalogue.list_table(Console(), rows)
    elif format is Format.MD:
        print(_catalogue.list_markdown(rows), end="")
    else:
        print(_catalogue.list_json(rows))


@app.command()
def explain(id: Annotated[str, typer.Argument(help="A requirement.", metavar="ID")]) -> None:
    """Explain a requirement: clause, why, how it is tested, what mends it."""
    from cni_conformance import _catalogue

    try:
        _catalogue.explain(id, Console())
    except _catalogue.UnknownRequirement as failure:
        _usage(str(failure))


@app.command()
def replay(
    what: Annotated[
        str,
        typer.Argument(help="A JSON report, or a requirement of the last run.", metavar="FILE|ID"),
    ],
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every step.")] = False,
) -> None:
    """Run what failed once more, with the same plugin, configuration and seed."""
    from cni_conformance.report import json_file

    is_file = os.path.exists(what)
    path = what if is_file else str(_last_run())
    if not os.path.exists(path):
        _usage(f"there is no file {what}, and no run has been recorded yet")
    try:
        recorded = json_file.read(path)
    except (OSError, ValueError) as failure:
        _usage(str(failure))
    failed = recorded.of_status(Status.FAIL, Status.WARN, Status.KNOWN)
    wanted = [each.requirement for each in failed if is_file or matches(each.requirement, what)]
    if not wanted:
        _usage(f"nothing failed in {path}" if is_file else f"{what} did not fail in the last run")
    with _errors():
        settings = _recorded_settings(recorded, sorted(set(wanted)))
        outcome = _carry_out(settings, verbose=verbose)
    raise typer.Exit(_engine.exit_status(outcome))


@app.command()
def bench(
    plugin: Plugin,
    config: Config = None,
    profile: ProfileOption = None,
    cni_path: CniPath = None,
    rounds: Annotated[int, typer.Option(help="Calls of each command.", metavar="N")] = 30,
    growth: Annotated[bool, typer.Option(help="Grow an IPAM plugin's reservations.")] = True,
    json: Annotated[str | None, typer.Option(help="Write the figures.", metavar="PATH")] = None,
) -> None:
    """Measure a plugin: latency, memory, processes and system calls of each command."""
    from cni_conformance import bench as measuring

    with _errors():
        settings = _settings.make(plugin, config=config, profile=profile, cni_path=cni_path or [])
        figures = measuring.run(settings, Console(), rounds=rounds, growth=growth)
        if json:
            import json as encoder

            Path(json).write_text(encoder.dumps(figures, indent=2) + "\n", "utf-8")


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A JSON report.", metavar="A")],
    b: Annotated[str, typer.Argument(help="Another.", metavar="B")],
    more: Annotated[list[str] | None, typer.Argument(help="More, for the page.")] = None,
    html: Annotated[str | None, typer.Option(help="Write a page.", metavar="PATH")] = None,
) -> None:
    """Show two reports side by side. Exit status 1 when they differ."""
    from cni_conformance.report import comparison, json_file

    try:
        reports = [json_file.read(path) for path in (a, b, *(more or []))]
    except (OSError, ValueError) as failure:
        _usage(str(failure))
    differences = comparison.render(reports[0], reports[1], Console())
    if html:
        with _errors():
            comparison.write_html(reports, html)
    raise typer.Exit(1 if differences else 0)


app.command(name="runtime", context_settings=command.CONTEXT)(command.runtime)


def main() -> None:
    """Entry point of `cni-conformance`."""
    app()


# -- what the commands share -----------------------------------------------------------------------


def _carry_out(settings: _settings.Settings, *, verbose: bool) -> Report:
    from cni_conformance.report.terminal import TerminalReport

    listener = TerminalReport(Console(highlight=False), level=settings.level, verbose=verbose)
    try:
        return _engine.run(settings, listener)
    finally:
        listener.close()


def _writer(option: str) -> tuple[Callable[[Report, str], None], str]:
    format, _, path = option.partition("=")
    if not path:
        _usage(f"--report {option!r}: write html=PATH, junit=PATH or json=PATH")
    if format == "html":
        from cni_conformance.report import html

        return html.write, path
    if format == "junit":
        from cni_conformance.report import junit

        return junit.write, path
    if format == "json":
        from cni_conformance.report import json_file

        return json_file.write, path
    return _usage(f"--report {option!r}: known are html, junit and json")


@contextlib.contextmanager
def _errors() -> Generator[None]:
    try:
        yield
    except _settings.UsageError as failure:
        _usage(str(failure))
    except (_engine.HarnessError, OSError) as failure:
        print(f"cni-conformance: the harness failed: {failure}", file=sys.stderr)
        raise typer.Exit(_HARNESS) from failure


def _usage(message: str) -> NoReturn:
    print(f"cni-conformance: {message}", file=sys.stderr)
    raise typer.Exit(_USAGE)


def _last_run() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "cni-conformance" / "last-run.json"


def _keep(outcome: Report) -> None:
    """Keep the report for `replay ID`; without a place for it, replay has to be given the file."""
    from cni_conformance.report import json_file

    with contextlib.suppress(OSError):
        _last_run().parent.mkdir(parents=True, exist_ok=True)
        json_file.write(outcome, str(_last_run()))


def _recorded_settings(recorded: Report, wanted: list[str]) -> _settings.Settings:
    """The settings of a recorded run, for some of its requirements."""
    given: dict[str, list[str]] = {}
    words = iter(recorded.command)
    for word in words:
        name, has_value, value = word.partition("=")
        if name in {"--config", "--profile", "--cni-path", "--level", "--spec-version"}:
            given.setdefault(name, []).append(value if has_value else next(words, ""))
    return _settings.make(
        recorded.plugin.path,
        config=given.get("--config", [None])[-1],
        profile=given.get("--profile", [None])[-1],
        cni_path=given.get("--cni-path", []),
        level="field",
        versions=given.get("--spec-version", []),
        select=wanted,
        seed=recorded.seed,
        command=recorded.command,
    )
