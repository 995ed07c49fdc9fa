"""``cnisdk schema``: the JSON Schema of a plugin's configuration."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cnisdk._schema import network_schema, plugin_schema
from cnisdk.cli._findings import did_you_mean
from cnisdk.cli._options import CNI_PATH, CniPath
from cnisdk.cli._output import UsageFailure, print_json, reporting
from cnisdk.cli._types import Types, class_of
from cnisdk.install import InstallFailure, located, type_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema", rich_help_panel="Configurations")(schema)


@reporting
def schema(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[TYPE]",
            help="CNI type of a plugin, or package.module:Class; without it the schema of a whole "
            "conflist, for editors.",
        ),
    ] = "",
    *,
    cni_path: CniPath = CNI_PATH,
    _json: Annotated[
        bool, typer.Option("--json", help="Accepted: the output is always JSON.")
    ] = False,
) -> None:
    """Print the JSON Schema of a plugin's configuration, derived from its class.

    It describes one entry of "plugins". Capabilities stand below runtimeConfig, arguments below
    args.cni, marked x-cni-capability and x-cni-arg.
    """
    types = Types(cni_path)
    if not name:
        entries: dict[str, dict[str, Any]] = {}
        for each in types.names():
            known = types.schema(each)
            if known is not None:
                entries[each] = known
        print_json(network_schema(entries))
        return
    target = located(name) if ":" in name else types.target_of(name)
    plugin = class_of(target)
    if plugin is not None:
        print_json(plugin_schema(plugin, type_of(target) if ":" in name else name))
    elif target:
        raise InstallFailure(
            f"{target} is no plugin class that can be imported here",
            "cnisdk install says what is wrong with it",
        )
    elif types.find(name):
        raise InstallFailure(f"{types.find(name)} is not written with cnisdk, so it has no schema")
    else:
        hint = did_you_mean(name, types.names()) or "cnisdk plugins lists what there is"
        raise UsageFailure(f'there is no plugin "{name}"', hint)
