"""ptp on the fake kernel: whose DNS settings are in the result (contracts 3.4)."""

from __future__ import annotations

from typing import Any

import pytest

from cnisdk.testing import FakeIpam, Runtime
from reference_plugins.ptp import Ptp


VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
OF_IPAM = {"nameservers": ["192.0.2.53"], "domain": "of.ipam"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("dns", "expected"),
    [
        (None, OF_IPAM),
        ({}, OF_IPAM),
        ({"nameservers": ["192.0.2.1"]}, {"nameservers": ["192.0.2.1"]}),
        ({"domain": "example.org"}, {"domain": "example.org"}),
        ({"search": ["example.org"]}, {"search": ["example.org"]}),
        ({"options": ["ndots:5"]}, {"options": ["ndots:5"]}),
        ({"nameservers": [], "search": [], "options": []}, {}),
    ],
)
def test_dns_of_the_configuration_replaces_that_of_ipam(
    version: str, dns: Any, expected: dict[str, Any]
) -> None:
    """T: IPAM's DNS is kept when the plugin gives none; any one key replaces it; empty lists do, too."""
    conf = {"ipam": {"type": "pool"}, "dns": dns}
    pool = FakeIpam(
        result={"ips": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}], "dns": OF_IPAM}
    )

    out = Runtime(Ptp, conf, cni_version=version).add(ipam=pool)
    assert out.document.get("dns", {}) == expected
