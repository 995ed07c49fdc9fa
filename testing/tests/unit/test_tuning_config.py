"""tuning's configuration: what is refused before anything is looked at (contracts 5.2)."""

from __future__ import annotations

import io
import json

import attrs
import pytest

from cnisdk import versions
from reference_plugins.tuning import Tuning, TuningConf


TWICE = '{"net.core.somaxconn": "500", "net.core.somaxconn": "600"}'
TWO = '{"net.core.somaxconn": "500", "net.core.rmem_max": "600"}'


def call(verb: str, keys: str, ifname: str = "eth0", version: str = "1.0.0") -> str:
    """The error's message, or that of the missing namespace."""
    text = (
        f'{{"cniVersion": "{version}", "name": "mynet", "type": "tuning", {keys}, '
        f'"prevResult": {{"cniVersion": "{version}"}}}}'
    )
    env = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": "/no/such/namespace" if verb != "DEL" else "",
        "CNI_IFNAME": ifname,
        "CNI_PATH": "/opt/cni/bin",
    }
    stdout = io.BytesIO()
    Tuning().run(env, io.BytesIO(text.encode()), stdout, io.BytesIO())
    return json.loads(stdout.getvalue() or "{}").get("msg", "")


@pytest.mark.parametrize(
    ("verb", "version"),
    [
        *[("ADD", each) for each in versions.ALL[2:]],
        *[("CHECK", each) for each in versions.ALL[4:]],
    ],
)
@pytest.mark.parametrize("keys", ['"sysctl": {}', '"args": {{"cni": {{"sysctl": {}}}}}'])
def test_a_sysctl_given_twice_is_refused(verb: str, keys: str, version: str) -> None:
    """T: duplicated sysctl; the Go plugin knows of the key `sysctl` alone."""
    twice = keys.replace("{{", "{").replace("}}", "}").replace("{}", TWICE)
    message = call(verb, twice, version=version)

    assert "duplicated sysctl keys are not allowed" in message
    assert "net.core.somaxconn" in message
    assert "cannot open network namespace" in call(verb, f'"sysctl": {TWO}', version=version)


def test_where_originals_are_kept_unless_told() -> None:
    """5.2: dataDir, default /run/cni/tuning."""
    assert attrs.fields(TuningConf).data_dir.default == "/run/cni/tuning"


@pytest.mark.parametrize("where", ["", "args.cni."])
@pytest.mark.parametrize(("key", "value"), [("mtu", 67), ("txQLen", -1)])
def test_a_bad_attribute_is_named_by_its_path(where: str, key: str, value: int) -> None:
    """All keys may come in args.cni."""
    keys = f'"{key}": {value}'
    message = call("ADD", f'"args": {{"cni": {{{keys}}}}}' if where else keys)

    assert message.startswith(f"{where}{key}: must be ")
    assert message.endswith(f", got {value}")


def test_del_does_not_mind() -> None:
    """Design section 3: DEL and GC survive any other defect of the configuration."""
    assert call("DEL", f'"sysctl": {TWICE}') == ""


def test_an_interface_name_with_a_slash_is_refused() -> None:
    """T: ifname with "/"."""
    assert "CNI_IFNAME" in call("ADD", f'"sysctl": {TWO}', "eth0/../x")
