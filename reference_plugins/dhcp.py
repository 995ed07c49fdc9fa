"""Lease an address from the DHCP server of the network the interface is in.

The plugin's process ends with the call, so a daemon has the lease: ``cnisdk dhcp-daemon``, or ``dhcp daemon``
with the flags of the Go plugin's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

import cnisdk
from cnisdk import dhcp, errors, on


def _known(_: object, _field: object, name: str) -> None:
    if name:
        dhcp.option_code(name)


@cnisdk.config
class ProvideConf:
    """One entry of ``provide``: an option sent to the server."""

    option: str = attrs.field(validator=_known)
    """dhcp-client-identifier, subnet-mask, routers, host-name, user-class, vendor-class-identifier, or a number."""
    value: str = ""
    """Its value."""
    from_arg: str = ""
    """The key of CNI_ARGS that has its value; wins over ``value``."""


@cnisdk.config
class RequestConf:
    """One entry of ``request``: an option asked of the server."""

    option: str = attrs.field(default="", validator=_known)
    """Its name, as in ``provide``, or number."""
    skip_default: bool = False
    """Ask for nothing but what is listed."""


@cnisdk.config
class DhcpConf(cnisdk.IpamConf):
    """The ``ipam`` section of dhcp."""

    daemon_socket_path: str = dhcp.DEFAULT_SOCKET
    """Where the daemon is reached."""
    provide: tuple[ProvideConf, ...] = ()
    """Options sent to the server."""
    request: tuple[RequestConf, ...] = ()
    """Options asked of the server, beside subnet mask, routes, routers, DNS settings and MTU."""
    priority: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    """Metric of the routes; 0 leaves it to the kernel."""

    @property
    def wishes(self) -> dict[str, Any]:
        """What the daemon needs of it."""
        return {
            "provide": [
                {"option": each.option, "value": each.value, "fromArg": each.from_arg}
                for each in self.provide
            ],
            "request": [
                {"option": each.option, "skipDefault": each.skip_default} for each in self.request
            ],
            "priority": self.priority,
        }


class Dhcp(cnisdk.IpamPlugin[DhcpConf]):
    """Lease an address from a DHCP server; a daemon keeps the lease."""

    commands: ClassVar[Mapping[str, str]] = {"daemon": "cnisdk.dhcp:main"}

    @on.add
    def lease(self, op: cnisdk.Add[DhcpConf]) -> cnisdk.Result:
        """Answer with the lease the attachment has or gets."""
        daemon = _daemon(op)
        op.on_rollback(daemon.release, op.attachment)
        return daemon.allocate(op.attachment, op.netns.path, op.config.wishes, op.args)

    @on.delete
    def release(self, op: cnisdk.Del[DhcpConf]) -> None:
        """Give the lease back; where no daemon runs, nobody extends it either (W-DH-2)."""
        try:
            _daemon(op).release(op.attachment)
        except dhcp.NoDaemon as absent:
            op.log.warning("no lease given back", reason=str(absent))

    @on.check
    def verify(self, op: cnisdk.Check[DhcpConf]) -> None:
        """The lease must be in force, and for an address of prevResult (W-DH-9)."""
        addresses = [str(each) for each in op.prev_result.addresses]
        _daemon(op).check(
            op.attachment, op.netns.path, op.config.wishes, op.args, addresses=addresses
        )

    @on.gc
    def collect(self, op: cnisdk.Gc[DhcpConf]) -> None:
        """Give back the leases of attachments that have gone."""
        try:
            released = _daemon(op).retain(op.network.name, op.valid_attachments)
        except dhcp.NoDaemon as absent:
            op.log.warning("no leases given back", reason=str(absent))
        else:
            op.log.info("leases given back", attachments=released)

    @on.status
    def ready(self, op: cnisdk.Status[DhcpConf]) -> None:
        """Answer 50 when the daemon is not there."""
        with op.prerequisite(only=errors.TryAgainLater):
            _daemon(op).status()


def _daemon(op: cnisdk.Operation[DhcpConf]) -> dhcp.Daemon:
    return dhcp.Daemon(op.config.daemon_socket_path or dhcp.DEFAULT_SOCKET, op.deadline)
