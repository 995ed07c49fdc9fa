"""``cnisdk lint``: what is wrong with network configurations, and where."""

from __future__ import annotations

import os
from typing import Annotated

import attrs
import typer
from rich.text import Text

from cnisdk.cli._findings import RULES, Finding, Sheet
from cnisdk.cli._lint_directory import check_directory
from cnisdk.cli._lint_file import check_network
from cnisdk.cli._options import CNI_PATH, AsJson, CniPath
from cnisdk.cli._output import (
    FAILED,
    UsageFailure,
    clean,
    line,
    out,
    print_json,
    print_table,
    reporting,
)
from cnisdk.cli._types import Types


_STYLES = {"error": "bold red", "warning": "yellow"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("lint", rich_help_panel="Configurations")(lint)


@reporting
def lint(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE|DIR...", help="Configuration files, or directories of them."),
    ] = None,
    *,
    cni_path: CniPath = CNI_PATH,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules and end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check network configurations: *.conflist, *.conf, *.json and drop-in directories.

    A directory is checked as a runtime reads it: also the order and names of its files. Ends with 1
    when there are errors. JSON: {files, errors, warnings, findings: [{file, line, column, path,
    severity, rule, message, hint}]}.
    """
    if rules:
        _list_rules(as_json=as_json)
        return
    if not paths:
        raise UsageFailure("name a file or a directory", "such as cnisdk lint /etc/cni/net.d")
    types = Types(cni_path)
    sheets: list[Sheet] = []
    for path in paths:
        if os.path.isdir(path):
            sheets += check_directory(path, types)
        elif os.path.lexists(path):
            sheets += check_network(path, types)[1]
        else:
            raise UsageFailure(f"{path} does not exist")
    findings = sorted({finding for sheet in sheets for finding in sheet.findings})
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    files = len({sheet.file for sheet in sheets if os.path.isfile(sheet.file)})
    if as_json:
        counts = {"files": files, "errors": errors, "warnings": warnings}
        print_json(counts | {"findings": [attrs.asdict(each) for each in findings]})
    else:
        for finding in findings:
            _print(finding)
        _print_summary(files, errors, warnings)
    if errors or (strict and warnings):
        raise typer.Exit(FAILED)


def _print(finding: Finding) -> None:
    text = Text.assemble(
        (f"{clean(finding.file)}:{finding.line}:{finding.column}: ", "bold"),
        (f"{finding.severity}: ", _STYLES[finding.severity]),
        (f"{clean(finding.path)}: " if finding.path else "", "cyan"),
        clean(finding.message),
        (f"; {clean(finding.hint)}" if finding.hint else "", "dim"),
        (f"  [{finding.rule}]", "dim"),
    )
    out().print(text, soft_wrap=True)


def _print_summary(files: int, errors: int, warnings: int) -> None:
    where = f"in {files} {'file' if files == 1 else 'files'}"
    if not errors and not warnings:
        line(f"no problems {where}", "green" if files else "yellow")
        return
    counts = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((errors, "error"), (warnings, "warning"))
        if count
    ]
    line(f"{' and '.join(counts)} {where}", "bold red" if errors else "bold yellow")


def _list_rules(*, as_json: bool) -> None:
    if as_json:
        print_json(RULES)
    else:
        print_table(["rule", "meaning"], RULES.items(), whole=["rule"])
