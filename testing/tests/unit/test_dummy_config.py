"""dummy's configuration (contracts 3.8)."""

from __future__ import annotations

import pytest

from cnisdk.testing import Runtime
from reference_plugins.dummy import Dummy


@pytest.mark.parametrize("ipam", [None, {}, {"type": ""}])
def test_ipam_is_asked_for_before_anything_else(ipam: dict[str, str] | None) -> None:
    """T: no IPAM -> error, even with a namespace that does not exist."""
    conf = {} if ipam is None else {"ipam": ipam}
    out = Runtime(Dummy, conf=conf, cni_version="1.1.0").add()

    assert out.error is not None
    assert out.error.code == 7
    assert out.error.msg == "dummy interface requires an IPAM configuration"
