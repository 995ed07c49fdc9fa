"""Sources of firewalld's zones, over D-Bus."""

from __future__ import annotations

import cnisdk
from cnisdk import errors


_SERVICE = "org.fedoraproject.FirewallD1"
_OBJECT = (_SERVICE, "/org/fedoraproject/FirewallD1", f"{_SERVICE}.zone")


def is_running(deadline: cnisdk.Deadline) -> bool:
    """Whether firewalld serves its name on the system bus."""
    try:
        with cnisdk.SystemBus(deadline) as bus:
            return bus.has_owner(_SERVICE)
    except errors.TryAgainLater:
        raise
    except errors.CniError:
        return False  # no system bus, so no firewalld


def add(deadline: cnisdk.Deadline, zone: str, source: str) -> bool:
    """Put a source into a zone; whether it was not there already.

    Raises:
        errors.CniError: firewalld refused, for example because another zone has the source.
    """
    try:
        with cnisdk.SystemBus(deadline) as bus:
            bus.call(*_OBJECT, "addSource", zone, source)
    except cnisdk.BusFailure as failure:
        if "ZONE_ALREADY_SET" in failure.msg:
            return False
        raise errors.CniError(
            f"firewalld: cannot add {source} to the zone {zone}: {failure.msg}",
            details="`firewall-cmd --get-active-zones` shows zones and their sources",
        ) from failure
    return True


def remove(deadline: cnisdk.Deadline, zone: str, source: str) -> None:
    """Take a source out of a zone, if it is there and firewalld is."""
    try:
        with cnisdk.SystemBus(deadline) as bus:
            bus.call(*_OBJECT, "removeSource", zone, source)
    except errors.TryAgainLater:
        raise
    except errors.CniError:
        return  # not there, or firewalld is not: it forgets sources when it ends


def expect(deadline: cnisdk.Deadline, zone: str, source: str) -> None:
    """Raise an error when a source is not in a zone (W-FW-4)."""
    with cnisdk.SystemBus(deadline) as bus:
        (there,) = bus.call(*_OBJECT, "querySource", zone, source)
    if not there:
        raise errors.CniError(
            f"firewalld: {source} is not in the zone {zone}",
            details="`firewall-cmd --reload` forgets it, for example",
        )
