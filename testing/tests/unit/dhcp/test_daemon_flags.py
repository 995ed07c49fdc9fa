"""The flags of the daemon, which are the Go daemon's (contracts 4.2)."""

import pytest

from cnisdk.dhcp import Patience, Settings
from cnisdk.dhcp._daemon import settings_of


def test_the_defaults_are_the_go_daemons():
    """T: 10 s for an answer, 62 s between attempts, 208 s in all; its socket; no pidfile."""
    found = settings_of([])

    assert found == Settings(
        socket_path="/run/cni/dhcp.sock",
        state_dir="",
        pidfile="",
        host_prefix="",
        patience=Patience(timeout=10, longest_pause=62, total=208, broadcast=False),
    )


@pytest.mark.parametrize("dash", ["-", "--"])
@pytest.mark.parametrize("separator", ["=", " "])
def test_every_flag(dash, separator):
    values = {
        "pidfile": "/p",
        "hostprefix": "/h",
        "socketpath": "/s",
        "statedir": "/d",
        "timeout": "2s",
        "resendmax": "1m",
        "resendtimeout": "1h2m3s",
    }
    flags = [f"{dash}{name}{separator}{value}" for name, value in values.items()]
    arguments = [word for flag in flags for word in flag.split(" ")]

    assert settings_of([*arguments, f"{dash}broadcast"]) == Settings(
        socket_path="/s",
        state_dir="/d",
        pidfile="/p",
        host_prefix="/h",
        patience=Patience(timeout=2, longest_pause=60, total=3723, broadcast=True),
    )
