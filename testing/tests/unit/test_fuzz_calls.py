"""No input makes a plugin print anything but one JSON document, or end by traceback."""

import copy
import json
import tempfile
from typing import Any

import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

from cnisdk import errors, versions
from cnisdk._answer import Completed


PLUGINS = {"interface": toys.Toy, "chained": toys.Chained, "ipam": toys.Pool}
VERBS = ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION")
SPECIFIED = {1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51, 999}
"""Codes of the specification and the Go library; the toys have none of their own."""

RESULT = {
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "mtu": 1500, "sandbox": "/x"}],
    "ips": [{"address": "10.1.0.5/16", "gateway": "10.1.0.1", "interface": 0}],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1400, "table": 100}],
    "dns": {"nameservers": ["10.1.0.1"], "search": ["a"]},
}
VALID = {
    "cniVersion": "1.1.0",
    "name": "net",
    "type": "toy",
    "bridge": "br0",
    "mtu": 1500,
    "isGateway": True,
    "subnet": "10.1.0.0/16",
    "nested": {"size": 2, "peers": ["10.1.0.1", "fd00::1"]},
    "labels": {"a": "b"},
    "ipam": {
        "type": "pool",
        "subnet": "10.1.0.5/16",
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}],
    },
    "dns": {"nameservers": ["10.1.0.1"]},
    "args": {"cni": {"MAC": "02:00:00:00:00:01"}},
    "runtimeConfig": {"mac": "02:00:00:00:00:02"},
    "prevResult": RESULT,
    "cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}],
    "timeoutSeconds": 20,
    "logLevel": "debug",
}

text = st.text(max_size=8) | st.sampled_from(["", "a/b", "\0", "\ud800", "é", "..", "10.1.0.5/99"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def mutated(draw: st.DrawFn, document: Any = VALID, most: int = 4) -> Any:
    """A valid document with a few places replaced, removed, added or spelled otherwise."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, most))):
        places = list(containers(document))
        place = draw(st.sampled_from(places))
        if isinstance(place, list):
            place[draw(st.integers(0, len(place))) :] = [draw(values)]
            continue
        key = draw(st.sampled_from(sorted(place)) if place else text)
        match draw(st.sampled_from(["replace", "remove", "rename", "add", "null"])):
            case "replace":
                place[key] = draw(values)
            case "remove":
                place.pop(key, None)
            case "rename":
                place[key.upper()] = place.pop(key, None)
            case "add":
                place[draw(text)] = draw(values)
            case _:
                place[key] = None
    return document


def containers(value: Any) -> Any:
    """All objects and lists of a document."""
    if isinstance(value, dict):
        yield value
        for each in list(value.values()):
            yield from containers(each)
    elif isinstance(value, list):
        yield value
        for each in value:
            yield from containers(each)


def serve(
    plugin: str, env: dict[str, str], stdin: bytes, machine: toys.FakeMachine | None = None
) -> toys.Outcome:
    """Serve a call, and check what holds for every call."""
    with tempfile.TemporaryDirectory() as run_dir:
        outcome = toys.call(PLUGINS[plugin], {**env, "CNISDK_RUN_DIR": run_dir}, stdin, machine)
    assert "Traceback" not in outcome.stderr
    assert outcome.code in {0, 1}
    if outcome.code == 0:
        if outcome.stdout:
            assert "code" not in outcome.document
        return outcome
    document = outcome.document
    assert document["code"] in SPECIFIED
    assert document["code"] != 999, document
    assert isinstance(document["msg"], str)
    assert document["msg"]
    assert isinstance(document["cniVersion"], str)
    assert set(document) <= {"cniVersion", "code", "msg", "details"}
    assert len(json.dumps(document)) < 10_000
    assert outcome.stderr.count("\n") == 1
    assert outcome.stderr.endswith("\n")
    assert outcome.machine.objects == set()
    return outcome


def env_of(verb: str, **more: str) -> dict[str, str]:
    """A proper environment."""
    return toys.environment(verb, "unused", **more)


@pytest.mark.parametrize("plugin", PLUGINS)
@given(
    env=st.dictionaries(
        st.sampled_from(
            [
                "CNI_COMMAND",
                "CNI_CONTAINERID",
                "CNI_NETNS",
                "CNI_IFNAME",
                "CNI_ARGS",
                "CNI_PATH",
                "CNI_NETNS_OVERRIDE",
                "CNISDK_TIMEOUT",
                "CNI_LOG_LEVEL",
                "TRACEPARENT",
            ]
        ),
        st.text(max_size=20) | st.sampled_from([*VERBS, toys.NETNS, "c1", "eth0"]),
    )
)
def test_any_environment(plugin: str, env: dict[str, str]) -> None:
    """Arbitrary variables: success, or an error that names one of them."""
    outcome = serve(plugin, env, json.dumps(VALID).encode())

    if outcome.code == 1:
        assert "CNI" in outcome.document["msg"]
        assert outcome.document["code"] in {4, 8}


@pytest.mark.parametrize("plugin", PLUGINS)
@given(
    variable=st.sampled_from(["CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_ARGS"]),
    value=st.text(max_size=20),
    verb=st.sampled_from(VERBS),
)
def test_any_value_of_one_variable(plugin: str, variable: str, value: str, verb: str) -> None:
    """The error names the variable and what is wrong with it."""
    outcome = serve(plugin, env_of(verb, **{variable: value}), json.dumps(VALID).encode())

    if outcome.code == 1 and "prevResult has no interface" not in outcome.document["msg"]:
        assert variable in outcome.document["msg"]
        assert outcome.document["code"] in {4, 8}


@pytest.mark.parametrize("plugin", PLUGINS)
@given(stdin=st.binary(max_size=200), verb=st.sampled_from(VERBS))
def test_any_bytes_on_stdin(plugin: str, stdin: bytes, verb: str) -> None:
    """Code 6, or VERSION's answer."""
    outcome = serve(plugin, env_of(verb), stdin)

    assert (outcome.code == 0) == (verb == "VERSION")
    if outcome.code == 1:
        assert outcome.document["code"] in {6, 7}


@pytest.mark.parametrize("plugin", PLUGINS)
@given(
    cut=st.integers(0, len(json.dumps(VALID))),
    junk=st.binary(max_size=5),
    verb=st.sampled_from(VERBS[:5]),
)
def test_damaged_json(plugin: str, cut: int, junk: bytes, verb: str) -> None:
    """A valid document with bytes in the middle."""
    whole = json.dumps(VALID).encode()
    serve(plugin, env_of(verb), whole[:cut] + junk + whole[cut:])
    serve(plugin, env_of(verb), whole[:cut])


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("plugin", PLUGINS)
@given(document=mutated())
def test_any_mutation_of_a_valid_configuration(plugin: str, verb: str, document: Any) -> None:
    """One document, the specification's code; DEL succeeds as long as it knows whose call it is."""
    outcome = serve(plugin, env_of(verb), json.dumps(document).encode())

    if verb == "DEL" and knows_its_network(document):
        assert outcome.code == 0, outcome.stdout
        assert outcome.stdout == b""
    if verb == "VERSION":
        assert outcome.code == 0


def knows_its_network(document: Any) -> bool:
    """Whether what DEL needs is in order: the name, and a version that the plugin supports."""
    folded = {key.lower(): value for key, value in document.items()}
    name = folded.get("name")
    return name == VALID["name"] and folded.get("cniversion") in (None, "", *versions.ALL)


@pytest.mark.parametrize("plugin", PLUGINS)
@given(previous=mutated(RESULT) | values, verb=st.sampled_from(["ADD", "CHECK", "DEL"]))
def test_any_prev_result(plugin: str, previous: Any, verb: str) -> None:
    """The error names the place below prevResult; DEL does not mind."""
    document = {**VALID, "prevResult": previous}
    outcome = serve(plugin, env_of(verb), json.dumps(document).encode())

    if verb == "DEL":
        assert outcome.code == 0
    elif outcome.code == 1 and "ipam" not in outcome.document["msg"]:
        assert "prevResult" in outcome.document["msg"]
        assert outcome.document["code"] in {6, 7} or verb == "CHECK"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("bridge", "bridge: "),
        ("mtu", "mtu: "),
        ("isGateway", "isGateway: "),
        ("subnet", "subnet: "),
        ("nested", "nested"),
        ("labels", "labels"),
        ("dns", "dns"),
        ("timeoutSeconds", "timeoutSeconds: "),
        ("logLevel", "logLevel: "),
        ("args", "args"),
        ("runtimeConfig", "runtimeConfig"),
        ("name", "name"),
        ("cniVersion", "ersion"),
        ("type", "type: "),
        ("ipam", "ipam"),
    ],
)
@given(value=values, upper=st.booleans())
def test_message_names_the_key(key: str, message: str, value: Any, upper: bool) -> None:
    """Whatever is wrong with one key, the message begins with it, in the user's spelling."""
    document = copy.deepcopy(VALID)
    del document[key]
    spelled = key.upper() if upper else key
    document[spelled] = value
    outcome = serve("interface", env_of("ADD"), json.dumps(document).encode())

    # A budget of milliseconds is valid, and may be over too soon.
    if outcome.code == 1 and outcome.document["code"] != errors.TryAgainLater.code:
        found = outcome.document["msg"].lower()
        assert message.lower() in found[: len(message) + 60]


@given(answer=mutated(RESULT).map(lambda each: json.dumps(each).encode()) | st.binary(max_size=40))
def test_any_answer_of_a_delegate(answer: bytes) -> None:
    """A malformed result is an error that names the delegate, and its DEL follows."""
    machine = toys.FakeMachine({"ADD": Completed(answer, 0)})
    env = env_of("ADD")
    with tempfile.TemporaryDirectory() as run_dir:
        outcome = toys.call(
            toys.Toy, {**env, "CNISDK_RUN_DIR": run_dir}, json.dumps(VALID).encode(), machine
        )

    if outcome.code == 1:
        assert "pool" in outcome.document["msg"]
        assert machine.delegated == [("pool", "ADD"), ("pool", "DEL")]
        assert machine.objects == set()
    else:
        assert machine.objects == {"host", "container"}
        assert outcome.document["interfaces"]
