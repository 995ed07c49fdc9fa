"""tuning's configuration: what is refused before anything is looked at (contracts 5.2)."""

from __future__ import annotations

import io
import json

import pytest

from reference_plugins.tuning import Tuning


TWICE = '{"net.core.somaxconn": "500", "net.core.somaxconn": "600"}'
TWO = '{"net.core.somaxconn": "500", "net.core.rmem_max": "600"}'


def call(verb: str, keys: str, ifname: str = "eth0") -> str:
    """The error's message, or that of the missing namespace."""
    text = (
        f'{{"cniVersion": "1.0.0", "name": "mynet", "type": "tuning", {keys}, '
        '"prevResult": {"cniVersion": "1.0.0"}}'
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


@pytest.mark.parametrize("verb", ["ADD", "CHECK"])
@pytest.mark.parametrize("keys", ['"sysctl": {}', '"args": {{"cni": {{"sysctl": {}}}}}'])
def test_a_sysctl_given_twice_is_refused(verb: str, keys: str) -> None:
    """T: duplicated sysctl; the Go plugin knows of the key `sysctl` alone."""
    message = call(verb, keys.replace("{{", "{").replace("}}", "}").replace("{}", TWICE))

    assert "duplicated sysctl keys are not allowed" in message
    assert "net.core.somaxconn" in message
    assert "cannot open network namespace" in call(verb, f'"sysctl": {TWO}')


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
