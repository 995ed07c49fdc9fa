"""``cnisdk doctor``: whether this node can do what its network configuration asks for."""

from __future__ import annotations

import attrs
import typer
from rich.table import Table
from rich.text import Text

from cnisdk.cli._checks import Check
from cnisdk.cli._network_checks import Networks
from cnisdk.cli._node_checks import check_directories, check_features, check_system, check_tools
from cnisdk.cli._options import (
    CNI_PATH,
    CONF_DIR,
    DEFAULT_CACHE_DIR,
    AsJson,
    CacheDir,
    CniPath,
    ConfDir,
    RunDir,
    directories,
)
from cnisdk.cli._output import FAILED, clean, line, out, print_json, reporting


_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "info": "dim"}
_WORDS = {"ok": "ok", "warn": "warn", "fail": "FAIL", "info": "-"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", rich_help_panel="Node")(doctor)


@reporting
def doctor(
    *,
    conf_dir: ConfDir = CONF_DIR,
    cni_path: CniPath = CNI_PATH,
    cache_dir: CacheDir = DEFAULT_CACHE_DIR,
    run_dir: RunDir = "/run/cnisdk",
    as_json: AsJson = False,
) -> None:
    """Examine this node: kernel, tools, directories, the active network, its plugins, leftovers.

    Nothing is changed: kernel features are tried out in a network namespace of their own. Ends with 1
    when something is missing that the active network needs. JSON: {ok, active, checks: [{section,
    name, status, message, hint}]}, status being ok, info, warn or fail.
    """
    networks = Networks(conf_dir, cni_path)
    checks: list[Check] = [
        *check_system(),
        *check_directories(
            conf_dir, directories(cni_path), cache_dir, run_dir, needed=networks.active is not None
        ),
        *networks.check_choice(),
        *networks.check_plugins(),
        *check_features(networks.needed_features()),
        *check_tools(),
        *networks.check_leftovers(cache_dir),
    ]
    failures = sum(each.status == "fail" for each in checks)
    if as_json:
        print_json(
            {
                "ok": not failures,
                "active": networks.active.name if networks.active else None,
                "checks": [attrs.asdict(each) for each in checks],
            }
        )
    else:
        _print(checks)
        _print_summary(checks, failures, configured=networks.active is not None)
    if failures:
        raise typer.Exit(FAILED)


def _print(checks: list[Check]) -> None:
    for section in dict.fromkeys(each.section for each in checks):
        line(f"\n{section}" if section != checks[0].section else section, "bold")
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for each in checks:
            if each.section == section:
                style = _STYLES[each.status]
                message = Text(clean(each.message), "dim" if each.status == "info" else "")
                if each.hint:
                    message.append(f"\n{clean(each.hint)}", "cyan")
                grid.add_row(Text(f"  {_WORDS[each.status]}", style), clean(each.name), message)
        out().print(grid)


def _print_summary(checks: list[Check], failures: int, *, configured: bool) -> None:
    warnings = sum(each.status == "warn" for each in checks)
    if failures:
        line(f"\n{failures} failed, {warnings} to look at", "bold red")
    elif not configured:
        line("\nno network is configured", "yellow")
    elif warnings:
        line(f"\nthis node is ready; {warnings} to look at", "yellow")
    else:
        line("\nthis node is ready", "bold green")
