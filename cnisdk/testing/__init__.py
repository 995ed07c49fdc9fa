"""Test a plugin in process, without root: state in, one verb, state out.

    from cnisdk.testing import FakeIpam, HostState, Runtime, laws

    runtime = Runtime(MyPlugin, conf={"bridge": "br0", "ipam": {"type": "pool"}})
    out = runtime.add(HostState.with_bridge("br0"), ipam=FakeIpam.giving("10.1.0.5/24"))
    assert out.result.ips[0].address.ip.exploded == "10.1.0.5"

The same code runs as on a node: only the kernel and the delegate are replaced.
"""

from __future__ import annotations

from cnisdk.testing import laws
from cnisdk.testing._errors import ImpossibleScenario, LawBroken
from cnisdk.testing._ipam import FakeIpam
from cnisdk.testing._runtime import Outcome, Runtime, Session
from cnisdk.testing._state import DeviceState, HostState, LinkState, NsState


__all__ = [
    "DeviceState",
    "FakeIpam",
    "HostState",
    "ImpossibleScenario",
    "LawBroken",
    "LinkState",
    "NsState",
    "Outcome",
    "Runtime",
    "Session",
    "laws",
]
