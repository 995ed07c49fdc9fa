"""Options that several commands share."""

from __future__ import annotations

import os
from typing import Annotated, Final

import typer

from cnisdk.install import DEFAULT_BIN_DIR


DEFAULT_CONF_DIR: Final = "/etc/cni/net.d"
DEFAULT_CACHE_DIR: Final = "/var/lib/cni"

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document instead of text and tables.")
]
ConfDir = Annotated[
    str,
    typer.Option(
        envvar="NETCONFPATH", help="Directory of the network configurations.", metavar="DIR"
    ),
]
CniPath = Annotated[
    str,
    typer.Option(
        envvar="CNI_PATH",
        help="Directories of the plugins, separated by colons.",
        metavar="DIR[:DIR]",
    ),
]
CacheDir = Annotated[
    str,
    typer.Option(
        help="Directory in which results of ADD are kept for CHECK and DEL.", metavar="DIR"
    ),
]
BinDir = Annotated[
    str, typer.Option(help="Directory the runtime looks for plugins in.", metavar="DIR")
]
RunDir = Annotated[
    str,
    typer.Option(
        envvar="CNISDK_RUN_DIR", help="Directory of locks and recorded calls.", metavar="DIR"
    ),
]

CONF_DIR: Final = DEFAULT_CONF_DIR
CNI_PATH: Final = DEFAULT_BIN_DIR


def directories(cni_path: str) -> list[str]:
    """The directories of a search path, each once."""
    return list(dict.fromkeys(os.path.normpath(each) for each in cni_path.split(":") if each))
