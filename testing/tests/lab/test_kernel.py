"""The lab's kernel has what the tests in this directory are for."""

from __future__ import annotations

import subprocess

import pytest


pytestmark = pytest.mark.lab


@pytest.mark.parametrize(
    "link",
    [
        "name lab0 type dummy",
        "name lab0 link parent type ipvlan mode l2",
        "name lab0 link parent type vlan id 7",
        "name lab0 type vrf table 100",
        "name lab0 type bridge vlan_filtering 1",
    ],
)
def test_makes_links_of_each_kind(link: str) -> None:
    script = f"ip link add parent type dummy && ip link add {link} && ip -br link show lab0"

    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
