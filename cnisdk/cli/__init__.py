"""The command ``cnisdk``: run networks, install plugins, look at configurations and at the node."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, NoReturn

import typer

import cnisdk
from cnisdk.cli import _dhcp, _doctor, _install, _lint, _plugins, _run, _schema, _trace
from cnisdk.cli._output import FAILED, complain


_EXIT_CODES = """\
**Exit codes**: 0 success; 1 the CNI operation or the check failed, or problems were found;
2 the command line is wrong; 130 interrupted.

**Variables** of cnitool work too: NETCONFPATH, CNI_PATH, CAP_ARGS, CNI_ARGS, CNI_IFNAME. Colours are used on
a terminal only, and not when NO_COLOR is set. With --json a command prints one JSON document on stdout, a
failed CNI operation its error object {cniVersion, code, msg, details}, any other failure {error, next}.
"""

app: typer.Typer = typer.Typer(
    name="cnisdk",
    help="Write, install, run and examine CNI plugins.",
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"cnisdk {cnisdk.__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Write, install, run and examine CNI plugins."""


for _family in (_run, _lint, _schema, _install, _plugins, _trace, _doctor, _dhcp):
    _family.register(app)


def main() -> NoReturn:
    """Run the command line; never ends in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names and messages may hold what the terminal's encoding has not.
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="cnisdk")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader, `head` say, has seen enough; Python must not complain at its exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(FAILED)
    except Exception as failure:
        if os.environ.get("CNISDK_TRACEBACK"):
            raise
        complain(
            f"unexpected {type(failure).__name__}: {failure}",
            "please report this; CNISDK_TRACEBACK=1 in the environment shows where it happened",
        )
        sys.exit(FAILED)
    sys.exit(0)


__all__ = ["app", "main"]
