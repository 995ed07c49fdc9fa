"""``cnisdk install`` and ``cnisdk uninstall``."""

from __future__ import annotations

from typing import Annotated

import attrs
import typer
from rich.text import Text

from cnisdk import install as installer
from cnisdk.cli import _attachments
from cnisdk.cli._options import DEFAULT_CACHE_DIR, AsJson, BinDir, CacheDir
from cnisdk.cli._output import (
    UsageFailure,
    clean,
    line,
    print_json,
    print_table,
    reporting,
    version_range,
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("install", rich_help_panel="Plugins")(install)
    app.command("uninstall", rich_help_panel="Plugins")(uninstall)


@reporting
def install(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET...",
            help="reference: all reference plugins; package.module:Class: a plugin of yours; "
            "TYPE=package.module:Class: the same under a CNI type of your choice.",
        ),
    ],
    *,
    bin_dir: BinDir = installer.DEFAULT_BIN_DIR,
    force: Annotated[
        bool, typer.Option("--force", help="Replace files that are no launchers of cnisdk.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Install plugins as executables that run them with this Python in isolated mode.

    Every plugin is imported and every executable tried out before the first gets its name: either
    all are installed or none. JSON: a list of {type, path, target, kind, versions, change}.
    """
    done = installer.install(targets, bin_dir, force=force)
    if as_json:
        print_json([attrs.asdict(each) for each in done])
        return
    print_table(
        ["type", "kind", "versions", "plugin", "change"],
        [
            (
                Text(each.type, "bold"),
                each.kind,
                version_range(each.versions),
                each.target,
                Text(each.change, "dim" if each.change == "unchanged" else "green"),
            )
            for each in done
        ],
        whole=["type", "versions", "change"],
        cut=["plugin"],
    )
    line(f"\nin {clean(bin_dir)}", "dim")


@reporting
def uninstall(
    types: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TYPE...", help="CNI types; reference: those of the reference plugins."
        ),
    ] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Remove every launcher of cnisdk.")] = False,
    bin_dir: BinDir = installer.DEFAULT_BIN_DIR,
    cache_dir: CacheDir = DEFAULT_CACHE_DIR,
    force: Annotated[
        bool, typer.Option("--force", help="Remove plugins that running containers still need.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove plugins that cnisdk installed; other files stay.

    A plugin that attachments still need is kept: without it their DEL would fail, and what they hold
    would leak. JSON: {removed: [type], path}.
    """
    if bool(types) == every:
        raise UsageFailure("name the types to remove, or give --all", "cnisdk plugins lists them")
    wanted: list[str] = []
    for each in installer.installed(bin_dir) if every else types or []:
        wanted += installer.reference_plugins() if each == "reference" else [each]
    users = {} if force else _attachments.users_of_types(cache_dir)
    for name in wanted:
        if users.get(name) and name in installer.installed(bin_dir):
            raise installer.InstallFailure(
                f'"{name}" is needed by {len(users[name])} attachment(s): '
                f"{', '.join(users[name][:3])}{', ...' if len(users[name]) > 3 else ''}",
                "their DEL would fail; remove those containers first, or give --force",
            )
    removed = installer.uninstall(dict.fromkeys(wanted), bin_dir)
    if as_json:
        print_json({"removed": removed, "path": bin_dir})
        return
    for name in removed:
        line(f"removed {clean(name)}")
    for name in dict.fromkeys(wanted):
        if name not in removed:
            line(f"{clean(name)} was not there", "dim")
