"""sbr's configuration: what is refused before anything is looked at (contracts 5.5)."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from cnisdk import versions
from reference_plugins.sbr import Sbr


def call(version: str, run_dir: Path, **keys: Any) -> dict[str, Any]:
    """The error, or that of the missing namespace (8)."""
    document = {
        "cniVersion": version,
        "name": "mynet",
        "type": "sbr",
        "prevResult": {"cniVersion": version, "ips": [{"version": "4", "address": "10.0.0.2/24"}]},
        **keys,
    }
    env = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": "/no/such/namespace",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/opt/cni/bin",
        "CNISDK_RUN_DIR": str(run_dir),
    }
    stdout = io.BytesIO()
    Sbr().run(env, io.BytesIO(json.dumps(document).encode()), stdout, io.BytesIO())
    return json.loads(stdout.getvalue())


@pytest.mark.parametrize("version", versions.ALL[2:])
@pytest.mark.parametrize("keys", [{}, {"table": 7}])
@pytest.mark.parametrize(
    ("gateways", "message"),
    [
        (["192.168.1.1", "192.168.1.2"], "gateways: gateways list contains multiple IPv4 addresses: 192.168.1.1 and 192.168.1.2"),
        (["fd00::1", "fd00::2"], "gateways: gateways list contains multiple IPv6 addresses: fd00::1 and fd00::2"),
        (["1.1.1.1", "fd00::1", "fd00::2"], "gateways: gateways list cannot contain more than 2 entries (one IPv4, one IPv6), got 3"),
        (["nowhere"], "invalid static gateway IP address: nowhere"),
    ],
)  # fmt: skip
def test_gateways_that_cannot_be(
    version: str, keys: dict[str, Any], gateways: list[str], message: str, tmp_path: Path
) -> None:
    """T: two v4 gateways rejected; W-SBR-4: before anything is done, and with `table` too."""
    failure = call(version, tmp_path, gateways=gateways, **keys)

    assert (failure["code"], failure["msg"]) == (7, message)


@pytest.mark.parametrize("version", versions.ALL[2:])
@pytest.mark.parametrize(
    ("table", "code"), [(1, 8), (100, 8), (2**32 - 1, 8), (0, 7), (-1, 7), (2**32, 7)]
)
def test_bounds_of_a_table(version: str, table: int, code: int, tmp_path: Path) -> None:
    """5.5: 32 bits, and 0 is none."""
    failure = call(version, tmp_path, table=table)

    assert failure["code"] == code
    assert failure["msg"].startswith("table: ") == (code == 7)
