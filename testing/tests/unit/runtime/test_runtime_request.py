"""Request configurations and the environment of plugins."""

import hashlib
import json

import pytest

from cnisdk import errors
from cnisdk._names import Attachment
from cnisdk.runtime import Parameters, container_id_for, parse
from cnisdk.runtime._request import encoded, environment, gc_request, request


def network_with(plugin, version="1.0.0"):
    document = {"cniVersion": version, "name": "net", "plugins": [plugin]}
    return parse(json.dumps(document).encode())


def derived(plugin, **options):
    network = network_with(plugin)
    return request(network, network.plugins[0], **options)


# ---- request configuration ----------------------------------------------------------------------


def test_the_networks_name_and_version_override_the_plugins():
    """T: injection: change. In any case of the letters, since plugins match keys regardless of it."""
    plugin = {"type": "t", "name": "mine", "CNIVersion": "0.1.0", "Name": "x", "mtu": 9}

    assert derived(plugin) == {"cniVersion": "1.0.0", "name": "net", "type": "t", "mtu": 9}


def test_other_fields_pass_unaltered_in_their_order_with_exact_numbers():
    """W-LIB-11: integers beyond 2^53 and key order are kept. T: injection: add; sub-objects."""
    plugin = {
        "type": "t",
        "z": 2**63 + 1,
        "a": {"y": 2**60 + 1, "b": [1, None]},
        "args": {"cni": {}},
    }

    assert encoded(derived(plugin), "x").decode() == (
        '{"cniVersion": "1.0.0", "name": "net", "type": "t", "z": 9223372036854775809, '
        '"a": {"y": 1152921504606846977, "b": [1, null]}, "args": {"cni": {}}}'
    )


def test_capabilities_are_not_sent():
    """W-LIB-12: SPEC section 3: must not be set."""
    plugin = {"type": "t", "capabilities": {"mac": True}}

    assert "capabilities" not in derived(plugin)
    assert "capabilities" not in derived(plugin, capability_args={"mac": "02:00:00:00:00:01"})


def test_what_only_the_runtime_may_set_is_taken_out_of_the_configuration():
    """SPEC section 1: reserved keys. A prevResult in a file must not reach the first ADD."""
    plugin = {"type": "t", "prevResult": {"ips": []}, "cni.dev/valid-attachments": []}

    assert {"cniVersion", "name", "type"} == derived(plugin).keys()


def test_capability_arguments_go_where_they_are_declared():
    """T: capability filtering into runtimeConfig."""
    plugin = {"type": "t", "capabilities": {"mac": True, "ips": False, "bandwidth": True}}

    document = derived(plugin, capability_args={"mac": "x", "ips": ["y"], "portMappings": []})

    assert document["runtimeConfig"] == {"mac": "x"}


def test_without_a_declared_capability_there_is_no_runtime_config():
    """T: none advertised: no runtimeConfig."""
    assert "runtimeConfig" not in derived({"type": "t"}, capability_args={"mac": "x"})


def test_a_runtime_config_in_the_file_is_replaced_as_a_whole():
    """contracts 1.10: the whole object is replaced, but only when there is something to put in."""
    plugin = {"type": "t", "capabilities": {"mac": True}, "RuntimeConfig": {"mac": "old", "a": 1}}

    assert derived(plugin)["RuntimeConfig"] == {"mac": "old", "a": 1}
    document = derived(plugin, capability_args={"mac": "new"})
    assert document["runtimeConfig"] == {"mac": "new"}
    assert "RuntimeConfig" not in document


def test_prev_result_is_the_last_key():
    """A person reading a request sees the configuration first."""
    assert list(derived({"type": "t"}, prev_result={"ips": []}))[-1] == "prevResult"


def test_gc_names_the_valid_attachments_twice():
    """SPEC section 2, GC; the Go library sends the draft's key too. An empty list is a list."""
    network = network_with({"type": "t", "cni.dev/attachments": "stale"}, "1.1.0")

    document = gc_request(network, network.plugins[0], [Attachment("net", "c1", "eth0")])
    empty = gc_request(network, network.plugins[0], [])

    expected = [{"containerID": "c1", "ifname": "eth0"}]
    assert expected == document["cni.dev/valid-attachments"] == document["cni.dev/attachments"]
    assert [] == empty["cni.dev/valid-attachments"] == empty["cni.dev/attachments"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x"])
def test_a_capability_argument_that_is_no_json_is_refused(value):
    """Go plugins could not parse it; better said here."""
    with pytest.raises(errors.InvalidConfig, match="cannot be written as JSON"):
        encoded({"runtimeConfig": {"mac": value}}, "request configuration")


# ---- environment --------------------------------------------------------------------------------


def test_the_cni_variables_come_last_and_replace_inherited_ones():
    """T: env builder puts CNI vars last and de-duplicates."""
    inherited = {"CNI_COMMAND": "DEL", "PATH": "/bin", "CNI_ARGS": "A=1", "TRACEPARENT": "00-ab"}
    parameters = Parameters("c1", "/ns", "net0", args={"K": "V", "L": "W"})

    env = environment(inherited, "ADD", "/opt/cni/bin", parameters)

    assert env == {
        "PATH": "/bin",
        "TRACEPARENT": "00-ab",
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": "/ns",
        "CNI_ARGS": "K=V;L=W",
        "CNI_IFNAME": "net0",
        "CNI_PATH": "/opt/cni/bin",
    }
    assert list(env)[-1] == "CNI_PATH"


def test_gc_and_status_carry_no_attachment_whatever_was_inherited():
    """SPEC section 3: GC has no attachment parameters."""
    inherited = {
        "CNI_CONTAINERID": "old",
        "CNI_IFNAME": "eth9",
        "CNI_NETNS": "/old",
        "CNI_ARGS": "A=1",
    }

    assert environment(inherited, "GC", "/p") == {"CNI_COMMAND": "GC", "CNI_PATH": "/p"}


@pytest.mark.parametrize(
    "args",
    [{"A": "1", "B": "x=y"}, [("A", "1"), ("B", "x=y")], "A=1;B=x=y;", (("A", "1"), ("B", "x=y"))],
)
def test_args_may_be_given_in_several_forms(args):
    """contracts 1.8: pairs are joined, ready-made text is understood."""
    assert Parameters("c1", args=args).args == (("A", "1"), ("B", "x=y"))


# ---- parameters ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "code", "text"),
    [
        (Parameters(""), 3, "missing containerID"),
        (Parameters("a b"), 4, "invalid characters in containerID"),
        (Parameters("../x"), 4, "invalid characters in containerID"),
        (Parameters("c1", ifname=""), 4, "interface name is empty"),
        (Parameters("c1", ifname="a" * 16), 4, "too long"),
        (Parameters("c1", ifname="."), 4, ". or .."),
        (Parameters("c1", ifname=".."), 4, ". or .."),
        (Parameters("c1", ifname="a/b"), 4, "/ or :"),
        (Parameters("c1", ifname="a:b"), 4, "/ or :"),
        (Parameters("c1", ifname="a b"), 4, "whitespace"),
        (Parameters("c1", args={"A": "1;B=2"}), 4, "CNI_ARGS: invalid pair"),
        (Parameters("c1", args={"": "1"}), 4, "CNI_ARGS: invalid pair"),
        (Parameters("c1", args={"A=B": "1"}), 4, "CNI_ARGS: invalid pair"),
    ],
)
def test_malformed_parameters_are_refused(parameters, code, text):
    """T: AddNetworkList bad cid; seven ifname errors."""
    with pytest.raises(errors.CniError) as caught:
        parameters.of("net")

    assert code == caught.value.code
    assert text in caught.value.msg


def test_the_container_id_of_cnitool_is_derived_from_the_absolute_path(monkeypatch, tmp_path):
    """contracts 1.12: hex of the first ten bytes of SHA-512."""
    monkeypatch.chdir(tmp_path)
    digest = hashlib.sha512(f"{tmp_path}/blue".encode()).hexdigest()

    assert (
        f"cnitool-{digest[:20]}" == container_id_for("blue") == container_id_for(f"{tmp_path}/blue")
    )
