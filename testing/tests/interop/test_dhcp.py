"""The dhcp plugin and its daemon with real servers: dnsmasq and kea."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cnisdk.install import install


sys.path.insert(0, str(Path(__file__).parent))
if TYPE_CHECKING:
    from tests.interop.dhcp_site import PACKAGES, PROGRAMS, Site, address_of, wait_until
    from tests.kernel.machine import PATH, new_machine
else:
    from dhcp_site import PACKAGES, PROGRAMS, Site, address_of, wait_until
    from machine import PATH, new_machine

pytestmark = [pytest.mark.interop, pytest.mark.kernel]


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cni-bin")
    install(["reference"], str(directory))
    return directory


@pytest.fixture(params=["dnsmasq", "kea"])
def site(request: pytest.FixtureRequest, tmp_path: Path, plugins: Path) -> Iterator[Site]:
    kind = request.param
    if shutil.which(PROGRAMS[kind], path=PATH) is None:
        pytest.skip(f"needs the Debian package {PACKAGES[kind]}")
    machine = new_machine(tmp_path, plugins)
    made = Site(machine, kind)
    yield made
    made.close()
    machine.close()


def test_lease_of_a_lifetime(site: Site) -> None:
    """ADD, CHECK, DEL: the server has the lease as long as the attachment."""
    site.serve()
    site.daemon()
    container = site.machine.container()

    result = site.machine.add(site.conf(), container)
    address = address_of(result)

    assert container.addresses("eth0") == [f"{address}/24"]
    assert {"dst": "default", "gateway": "10.66.0.1"}.items() <= container.routes()[0].items()
    assert result["dns"] == {"nameservers": ["10.66.0.53"]}
    assert site.leased() == {address}
    assert [each["address"] for each in site.records()] == [address]
    assert container.ping("10.66.0.1")
    site.machine.check(site.conf(), container, result)
    site.machine.delete(site.conf(), container, prev=result)
    wait_until(lambda: site.leased() == set(), what="the server forgetting the lease")
    assert site.records() == []
