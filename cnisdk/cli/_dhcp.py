"""``cnisdk dhcp-daemon``: keep the leases of the dhcp plugin."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from cnisdk import dhcp
from cnisdk.cli._output import UsageFailure, reporting
from cnisdk.dhcp import Patience, seconds


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dhcp-daemon", rich_help_panel="Node")(dhcp_daemon)


def _duration(text: str) -> float:
    try:
        return seconds(text)
    except ValueError as problem:
        raise UsageFailure(str(problem), "write 10s, 1m30s or 500ms") from None


@reporting
def dhcp_daemon(
    *,
    socket_path: Annotated[
        str, typer.Option(help="Where plugins reach the daemon.", metavar="FILE")
    ] = dhcp.DEFAULT_SOCKET,
    state_dir: Annotated[
        str, typer.Option(help="Where leases are kept; beside the socket unless given.")
    ] = "",
    pidfile: Annotated[
        str, typer.Option(help="Write the process id there; an absolute path.", metavar="FILE")
    ] = "",
    host_prefix: Annotated[
        str,
        typer.Option(help="Where this process sees the host's root directory.", metavar="DIR"),
    ] = "",
    broadcast: Annotated[
        bool, typer.Option("--broadcast", help="Ask servers to broadcast their answers.")
    ] = False,
    timeout: Annotated[
        str, typer.Option(help="Longest wait for an answer before a message is sent again.")
    ] = "10s",
    resend_max: Annotated[
        str, typer.Option(help="Longest pause between two attempts to get a lease.")
    ] = "62s",
    resend_timeout: Annotated[
        str, typer.Option(help="Refuse an attachment that got no lease in this time.")
    ] = "208s",
) -> None:
    """Get and keep DHCP leases for containers, until SIGTERM.

    Leases are kept on disk too: a daemon that is started anew goes on renewing them. It listens at the
    socket systemd passes, if it does (LISTEN_FDS). The plugin's executable does the same with the flags
    of the Go plugin's: dhcp daemon -socketpath FILE.
    """
    patience = Patience(
        timeout=_duration(timeout),
        longest_pause=_duration(resend_max),
        total=_duration(resend_timeout),
        broadcast=broadcast,
    )
    settings = dhcp.Settings(
        socket_path=socket_path,
        state_dir=state_dir,
        pidfile=pidfile,
        host_prefix=host_prefix,
        patience=patience,
    )
    dhcp.serve(settings, os.environ)
