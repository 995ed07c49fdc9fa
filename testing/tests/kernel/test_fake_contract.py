"""The fake kernel of cnisdk.testing does what the real one does, so that the two cannot drift apart."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import routing_scenarios
import scenarios
import shaping_scenarios
import verb_scenarios
import vlan_scenarios
from machine import Machine, Netns
from scenarios import ME, Scenario, World, look

from cnisdk import errors
from cnisdk._net import Namespace
from cnisdk._net._protocol import Kernel
from cnisdk._rollback import Rollback
from cnisdk.testing import HostState
from cnisdk.testing._fake_machine import FakeMachine
from cnisdk.testing._state import DEFAULT_NETNS


pytestmark = pytest.mark.kernel


def fake() -> World:
    machine, rollback = FakeMachine(HostState()), Rollback()
    host = machine.namespace("", owner=ME, rollback=rollback)
    return World(host, machine.namespace(DEFAULT_NETNS), rollback)


def real(machine: Machine, container: Netns) -> World:
    for space in (machine.host, container):
        # The fake makes no link-local addresses.
        space.set_sysctl("ipv6/conf/default/addr_gen_mode", "1")
    rollback = Rollback()
    host = machine.host.namespace(ME, rollback, path="")
    return World(host, container.namespace(path=DEFAULT_NETNS), rollback)


def outcome(run: Scenario, world: World) -> dict[str, Any]:
    """What a scenario returned or raised, and what is there afterwards."""
    try:
        value = plain(run(world))
    except errors.CniError as failure:
        # The errno of the kernel, where there is one, stands first in the details.
        value = (type(failure).__name__, failure.code, failure.details[:6])
        if not failure.details.startswith("E"):
            value = (type(failure).__name__, failure.code, failure.msg)
    except OSError as failure:
        value = ("OSError", failure.errno)
    after = look(world)
    world.rollback.clear()
    for space in (world.host, world.container):
        space.close()  # what refers to it in circles would keep its sockets open until somebody looks
    return {"value": value, "after": after}


def plain(value: object) -> object:
    """Without indexes, which differ."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return getattr(value, "name", value)


def name(run: Scenario) -> str:
    if run.__name__ not in {"<lambda>", "run"}:
        return run.__name__
    _, line = inspect.getsourcelines(run)
    return f"{run.__module__}:{line}-{scenarios.scenarios.index(run)}"


@pytest.mark.parametrize("run", scenarios.scenarios, ids=name)
def test_fake_and_real_kernel_do_the_same(
    machine: Machine, container: Netns, run: Scenario
) -> None:
    """Issue 2, item 8: one contract test runs the fake and the real kernel side by side."""
    assert outcome(run, fake()) == outcome(run, real(machine, container))


@pytest.mark.parametrize("kind", [Kernel, Namespace])
def test_every_primitive_and_verb_is_in_a_scenario(kind: type) -> None:
    """What is added later needs a scenario."""
    text = "".join(
        Path(inspect.getfile(module)).read_text(encoding="utf-8")
        for module in (
            scenarios,
            verb_scenarios,
            vlan_scenarios,
            shaping_scenarios,
            routing_scenarios,
        )
    )
    public = {each for each in dir(kind) if not each.startswith("_")} - {"close", "path", "kernel"}

    assert {each for each in public if f".{each}" not in text} == set()
