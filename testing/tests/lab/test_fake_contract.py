"""The fake kernel does what the real one does, also for the links that few kernels have."""

from __future__ import annotations

import pytest
import routing_scenarios
import verb_scenarios
import vlan_scenarios
from machine import Machine, Netns
from scenarios import Scenario
from test_fake_contract import fake, outcome, real


pytestmark = pytest.mark.lab
SCENARIOS = [
    *verb_scenarios.lab_scenarios,
    *vlan_scenarios.lab_scenarios,
    *routing_scenarios.lab_scenarios,
]


@pytest.mark.parametrize("run", SCENARIOS, ids=range(len(SCENARIOS)))
def test_fake_and_real_kernel_do_the_same(
    machine: Machine, container: Netns, run: Scenario
) -> None:
    assert outcome(run, fake()) == outcome(run, real(machine, container))
