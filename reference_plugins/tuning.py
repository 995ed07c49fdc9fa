"""Change sysctls and attributes of an interface that an earlier plugin of the chain has made."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

import attrs

import cnisdk
from cnisdk import errors, on, validators
from reference_plugins import _originals, _sysctls
from reference_plugins._originals import Originals


_FINAL = {errno.ENOENT, errno.ENODEV, errno.EINVAL, errno.ERANGE, errno.EROFS, errno.EOPNOTSUPP}
# The names of the configuration and of the file of originals, and the link's for the same.
_ATTRIBUTES = {
    "mac": "mac",
    "promisc": "promisc",
    "mtu": "mtu",
    "allmulti": "allmulti",
    "txQLen": "tx_queue_length",
}


def _queue(_: object, _field: object, value: int | None) -> None:
    if value is not None and not 0 <= value < 2**32:
        raise ValueError(f"must be 0 to 4294967295, got {value}")


def _no_repetition(_: object, _field: object, value: Mapping[str, str] | None) -> None:
    repeated = cnisdk.repeated_keys(value or {})
    if repeated:
        raise ValueError(f"duplicated sysctl keys are not allowed: {', '.join(repeated)}")


@cnisdk.config
class TuningConf(cnisdk.NetConf):
    """Configuration of the tuning plugin; all keys may also come in ``args.cni``, which wins."""

    sysctl: Mapping[str, str] = attrs.field(factory=dict[str, str], validator=_no_repetition)
    """Settings below net. and their values; IFNAME stands for the interface."""
    mac: str | None = attrs.field(default=None, validator=validators.mac)
    """Hardware address."""
    promisc: bool = cnisdk.key(default=False, arg="promisc")
    """Receive all packets."""
    mtu: int = cnisdk.key(default=0, arg="mtu", validator=validators.mtu)
    """MTU in bytes; 0 to leave it."""
    tx_queue_length: int | None = cnisdk.key("txQLen", default=None, arg="txQLen", validator=_queue)
    """Length of the transmit queue, in packets."""
    allmulti: bool | None = cnisdk.key(default=None, arg="allmulti")
    """Receive all multicast packets."""
    data_dir: str = "/run/cni/tuning"
    """Where the original settings are kept until DEL."""
    runtime_mac: str | None = cnisdk.capability(
        "mac",
        arg="MAC",
        default=None,
        validator=validators.mac,
        description="Hardware address; wins over the key mac.",
    )
    arg_sysctl: Mapping[str, str] | None = cnisdk.arg(
        "sysctl",
        default=None,
        validator=_no_repetition,
        description="Further settings, which win over those of the key.",
    )

    @property
    def sysctls(self) -> dict[str, str]:
        """All settings by name, in the order they are written."""
        return {**self.sysctl, **(self.arg_sysctl or {})}

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes to change, by their names in the configuration."""
        mac = self.runtime_mac or self.mac
        wanted = {
            "mac": cnisdk.normal_mac(mac) if mac else None,
            "promisc": self.promisc or None,
            "mtu": self.mtu or None,
            "allmulti": self.allmulti,
            "txQLen": self.tx_queue_length,
        }
        return {name: value for name, value in wanted.items() if value is not None}


class Tuning(cnisdk.ChainedPlugin[TuningConf]):
    """Change sysctls and attributes of an interface that an earlier plugin has made."""

    @on.add
    def attach(self, op: cnisdk.ChainedAdd[TuningConf]) -> cnisdk.Result:
        """Save what there is, then change it."""
        cfg, wanted = op.config, op.config.attributes
        settings = _sysctls.by_path(cfg.sysctls, op.ifname)
        _sysctls.refuse_forbidden(cfg.sysctls)
        if not settings and not wanted:
            return op.prev_result
        # Sysctls may be of the namespace as a whole.
        link = op.netns.expect_link(op.ifname) if wanted else op.netns.link(op.ifname)
        found: dict[str, Any] = {name: getattr(link, _ATTRIBUTES[name]) for name in wanted}
        present = {path: op.netns.readable_sysctl(path) for path in settings}
        found["sysctl"] = {path: value for path, value in present.items() if value is not None}
        originals = Originals(cfg.data_dir, op.attachment)
        earlier = originals.load()
        saved = originals.merged(link.index if link else 0, found)
        if earlier is None:
            op.on_rollback(originals.remove)
        else:
            op.on_rollback(originals.save, earlier)
        op.on_rollback(_restore, op.netns, op.ifname, found)
        originals.save(saved)
        for path, value in settings.items():
            op.netns.set_sysctl(path, value)
        shown = {path: op.netns.readable_sysctl(path) for path in settings}
        if shown != settings:
            originals.save({**saved, "shown": shown})
        _apply(op.netns, op.ifname, wanted)
        return _with_changes(op, wanted)

    @on.delete
    def detach(self, op: cnisdk.Del[TuningConf]) -> None:
        """Put everything back as it was found, sysctls included (W-TU-3)."""
        link = op.netns.link(op.ifname) if op.netns is not None else None
        originals = Originals(op.config.data_dir, op.attachment, _is_known(op.prev_result, link))
        saved = originals.load()
        if op.netns is not None and saved is not None:
            index = link.index if link else 0
            try:
                if saved.get("index", index) == index:  # Go's files have none
                    _restore(op.netns, op.ifname, saved)
            except errors.CniError as failure:
                if not _is_final(failure):
                    raise
                op.log.warning("not restored", interface=op.ifname, reason=str(failure))
        originals.remove()

    @on.check
    def verify(self, op: cnisdk.Check[TuningConf]) -> None:
        """Compare sysctls and attributes with the configuration."""
        link = op.netns.expect_link(op.ifname)
        known = _is_known(op.prev_result, link)
        saved = Originals(op.config.data_dir, op.attachment, known).load()
        if saved is None and op.config.attributes:
            raise errors.CniError(
                f"Error: Tuning has no original settings of {op.ifname} in {op.config.data_dir}",
                details="DEL could not restore it; delete the attachment and add it again",
            )
        for path, wanted in _sysctls.by_path(op.config.sysctls, op.ifname).items():
            found = op.netns.readable_sysctl(path)
            # Numbers and lists have forms that the kernel rewrites in its own.
            good = found in {None, (saved or {}).get("shown", {}).get(path)}
            if not good and not _sysctls.is_same(found or "", wanted):
                raise errors.CniError(
                    f'Error: Tuning configured sysctl {path} is "{found}", not "{wanted}"'
                )
        for name, wanted in op.config.attributes.items():
            found = getattr(link, _ATTRIBUTES[name])
            if found != wanted:
                raise errors.CniError(
                    f"Error: Tuning configured {name} of {op.ifname} is {found}, not {wanted}"
                )

    @on.gc
    def collect(self, op: cnisdk.Gc[TuningConf]) -> None:
        """Forget the originals of interfaces that have gone."""
        _originals.retain(op.config.data_dir, op.network.name, op.valid_attachments)

    @on.status
    def ready(self, op: cnisdk.Status[TuningConf]) -> None:
        """Refuse settings that no ADD may make; answer 50 when the originals cannot be saved."""
        _sysctls.by_path(op.config.sysctls, "eth0")
        _sysctls.refuse_forbidden(op.config.sysctls)
        if not op.config.sysctls and not op.config.attributes:
            return
        with op.prerequisite("dataDir: ", only=errors.IoFailure):
            cnisdk.JsonFile(f"{op.config.data_dir}/originals.json").check_usable()


def _is_known(prev: cnisdk.Result | None, link: cnisdk.Link | None) -> bool:
    """Whether prevResult is about this interface, though the network may have had another name then.

    A DEL without it comes after an ADD that failed, a late one with that of a container of long ago.
    """
    if prev is None or link is None:
        return False
    macs = {each.mac for each in prev.interfaces if each.name == link.name}
    return link.mac in macs or not any(macs)


def _apply(netns: cnisdk.Namespace, ifname: str, values: Mapping[str, Any]) -> None:
    changes = {_ATTRIBUTES[name]: value for name, value in values.items() if name in _ATTRIBUTES}
    if changes:
        netns.set_attributes(ifname, **changes)


def _is_final(failure: errors.CniError) -> bool:
    """Whether the setting has gone, or cannot have its value: another DEL would not help."""
    return not isinstance(failure.__cause__, OSError) or failure.__cause__.errno in _FINAL


def _restore(netns: cnisdk.Namespace, ifname: str, saved: Mapping[str, Any]) -> None:
    for path, value in saved.get("sysctl", {}).items():
        netns.set_sysctl(path, value)
    _apply(netns, ifname, saved)


def _with_changes(op: cnisdk.ChainedAdd[TuningConf], wanted: Mapping[str, Any]) -> cnisdk.Result:
    """prevResult with what is different now, so that CHECK of earlier plugins finds it."""
    changes = {name: wanted[name] for name in ("mac", "mtu") if name in wanted}
    prev = op.prev_result
    known = prev.interface(op.ifname, op.netns.path) or prev.interface(op.ifname)
    if known is None:
        return prev
    return op.result().update(known.name, sandbox=known.sandbox, **changes).build()
