"""What this kernel can do, tried out in a network namespace of its own that vanishes afterwards.

`main`, in a process of its own, prints {feature: problem}, the problem being "" for none.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import struct
import subprocess
import sys
from typing import Final

from cnisdk import errors
from cnisdk._net import host_namespace


LINK_KINDS: Final = (
    "veth", "bridge", "dummy", "macvlan", "ipvlan", "vlan", "vrf", "ifb",
)  # fmt: skip
FIREWALLS: Final = ("nftables", "iptables")
VLAN_FILTERING: Final = "bridge VLAN filtering"
_SECONDS: Final = 20
_MODULES: Final = {"vlan": "8021q"}
"""Kind -> its module, where that has another name."""
_MAKES_LINKS_WHEN_LOADED: Final = frozenset({"dummy", "ifb"})

_NEWUSER, _NEWNET = 0x10000000, 0x40000000
_RTM_NEWLINK = 16
_REQUEST_ACK_CREATE_EXCL = 0x1 | 0x4 | 0x400 | 0x200
_IFNAME, _LINKINFO, _INFO_KIND, _INFO_DATA, _BR_VLAN_FILTERING = 3, 18, 1, 2, 7


class ProbeFailure(Exception):
    """The kernel could not be probed at all."""


def probe() -> dict[str, str]:
    """Feature -> why it is not there, "" when it is.

    Raises:
        ProbeFailure: no network namespace can be made to try it out in.
    """
    command = [sys.executable, "-P", "-c", "from cnisdk.cli._probe import main; main()"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ProbeFailure(f"no answer within {_SECONDS} s") from None
    try:
        found: dict[str, str] = json.loads(done.stdout)
    except ValueError:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ProbeFailure(reason) from None
    return found


def _in_own_namespace() -> dict[str, str]:
    _unshare()
    modules = _loadable()
    found = {kind: _kind_problem(kind, modules) for kind in LINK_KINDS}
    found[VLAN_FILTERING] = found["bridge"]
    if not found["bridge"] and not _would_load("bridge", modules):
        found[VLAN_FILTERING] = _link_problem("bridge", vlan_filtering=True)
    found["tun"] = "" if os.path.exists("/dev/net/tun") else "there is no /dev/net/tun"
    found["ipv6"] = "" if os.path.isdir("/proc/sys/net/ipv6") else "the kernel is without IPv6"
    firewall = host_namespace()
    for backend in FIREWALLS:
        try:
            found[backend] = firewall.firewall_problem(backend)
        except errors.CniError as failure:
            found[backend] = str(failure)
    return found


def _unshare() -> None:
    flags = _NEWNET if os.geteuid() == 0 else _NEWUSER | _NEWNET
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise SystemExit(f"no network namespace can be made here: {reason}")


def _kind_problem(kind: str, modules: str) -> str:
    """Trying out a kind loads its module, which some answer with links on the host: dummy0, ifb0."""
    if _would_load(kind, modules):
        return ""
    could_load = os.path.exists("/proc/modules") and not os.path.exists(f"/sys/module/{kind}")
    if could_load and kind in _MAKES_LINKS_WHEN_LOADED:
        return "not loaded, and no module of it is known"
    return _link_problem(kind)


def _would_load(kind: str, modules: str) -> bool:
    """Whether the kernel has it as a module that is not loaded yet."""
    module = _MODULES.get(kind, kind)
    return f"/{module}.ko" in modules and not os.path.exists(f"/sys/module/{module}")


def _loadable() -> str:
    """The list of modules this kernel can load; "" when it is not known here."""
    try:
        with open(f"/lib/modules/{os.uname().release}/modules.dep", encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def _link_problem(kind: str, *, vlan_filtering: bool = False) -> str:
    """Ask for a link of a kind; one that lacks a parent is refused in another way than an unknown one."""
    name = f"probe{LINK_KINDS.index(kind)}{'f' if vlan_filtering else ''}"
    info = _attribute(_INFO_KIND, kind.encode())
    if vlan_filtering:
        info += _attribute(_INFO_DATA, _attribute(_BR_VLAN_FILTERING, b"\1"))
    body = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, 0, 0)
    body += _attribute(_IFNAME, name.encode() + b"\0") + _attribute(_LINKINFO, info)
    header = struct.pack("=IHHII", 16 + len(body), _RTM_NEWLINK, _REQUEST_ACK_CREATE_EXCL, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(_SECONDS)
        netlink.send(header + body)
        answer = netlink.recv(65536)
    code = -struct.unpack_from("=i", answer, 16)[0]
    if code in {0, errno.EINVAL, errno.ENODEV, errno.EEXIST}:
        return ""
    if code == errno.EOPNOTSUPP:
        return "not in this kernel"
    return os.strerror(code)


def _attribute(number: int, content: bytes) -> bytes:
    padding = b"\0" * (-len(content) % 4)
    return struct.pack("=HH", 4 + len(content), number) + content + padding


def main() -> None:
    """Print what there is; for a process of its own."""
    sys.stdout.write(json.dumps(_in_own_namespace()))
