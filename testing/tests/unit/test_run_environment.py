"""Which environment a call needs, and what is said of a defective one."""

import io
from pathlib import Path
from typing import Any

import pytest
import toys


ALL = ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS", "CNI_PATH", "CNI_NETNS_OVERRIDE")
REQUIRED = {
    "ADD": {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"},
    "DEL": {"CNI_CONTAINERID", "CNI_IFNAME"},
    "CHECK": {"CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"},
    "GC": {"CNI_PATH"},
    "STATUS": set[str](),
    "VERSION": set[str](),
}
EXTRA: dict[str, dict[str, Any]] = {
    "CHECK": {"prevResult": {"interfaces": [{"name": "eth0"}]}},
    "GC": {"cni.dev/valid-attachments": []},
}


def call(verb: str, tmp_path: Path, **changes: str | None) -> toys.Outcome:
    """Serve a verb with some variables changed or unset."""
    env = {**toys.environment(verb, tmp_path, CNI_ARGS="A=1", CNI_NETNS_OVERRIDE="0"), **changes}
    kept = {name: value for name, value in env.items() if value is not None}
    return toys.call(toys.Toy, kept, toys.config(**EXTRA.get(verb, {})))


@pytest.mark.parametrize("variable", ALL)
@pytest.mark.parametrize("verb", REQUIRED)
@pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])
def test_variable_is_required_or_optional(
    verb: str, variable: str, value: str | None, tmp_path: Path
) -> None:
    """T: per-variable required/optional table for ADD, CHECK, GC, DEL, VERSION (7 variables).

    Unlike the Go library, CNI_PATH is required for GC only, as the specification has it.
    """
    outcome = call(verb, tmp_path, **{variable: value})

    if variable in REQUIRED[verb]:
        assert outcome.code == 1
        assert outcome.document["code"] == 4
        assert outcome.document["msg"] == f"required env variables [{variable}] missing"
        assert outcome.machine.objects == set()
    else:
        assert outcome.code == 0, outcome.stdout


@pytest.mark.parametrize(
    ("verb", "named"),
    [
        ("ADD", "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME"),
        ("CHECK", "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME"),
        ("DEL", "CNI_CONTAINERID,CNI_IFNAME"),
        ("GC", "CNI_PATH"),
    ],
)
def test_all_missing_variables_are_named_together(verb: str, named: str, tmp_path: Path) -> None:
    """T: several missing variables are all listed (ADD, CHECK; GC lists only CNI_PATH)."""
    outcome = call(verb, tmp_path, **dict.fromkeys(ALL))

    assert outcome.document["msg"] == f"required env variables [{named}] missing"


@pytest.mark.parametrize("verb", ["ADD", "CHECK", "DEL"])
@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("CNI_CONTAINERID", "a/b", "CNI_CONTAINERID: invalid characters in containerID"),
        ("CNI_CONTAINERID", "-a", "CNI_CONTAINERID: invalid characters in containerID"),
        ("CNI_CONTAINERID", "a\n", "CNI_CONTAINERID: invalid characters in containerID"),
        (
            "CNI_IFNAME",
            "a" * 16,
            "CNI_IFNAME: interface name is too long: should be less than 16 characters",
        ),
        ("CNI_IFNAME", ".", "CNI_IFNAME: interface name is . or .."),
        ("CNI_IFNAME", "..", "CNI_IFNAME: interface name is . or .."),
        (
            "CNI_IFNAME",
            "a/b",
            "CNI_IFNAME: interface name contains / or : or whitespace characters",
        ),
        (
            "CNI_IFNAME",
            "a:b",
            "CNI_IFNAME: interface name contains / or : or whitespace characters",
        ),
        (
            "CNI_IFNAME",
            "a b",
            "CNI_IFNAME: interface name contains / or : or whitespace characters",
        ),
        ("CNI_NETNS", "/a\0b", "CNI_NETNS: is no path"),
        ("CNI_NETNS", "/a\ud800b", "CNI_NETNS: is no path"),
    ],
)
def test_malformed_variable_is_named_with_its_value(
    verb: str, variable: str, value: str, message: str, tmp_path: Path
) -> None:
    """T: bad cid characters; ifname too long / "." / ".." / "/" / ":" / white space: code and msg."""
    outcome = call(verb, tmp_path, **{variable: value})

    assert outcome.code == 1
    assert outcome.document["code"] == 4
    assert outcome.document["msg"] == message
    assert outcome.document["details"].startswith('"')


def test_all_malformed_variables_are_named_together(tmp_path: Path) -> None:
    """W-LIB-3: a validator's error must not hide what else is wrong."""
    outcome = call("ADD", tmp_path, CNI_CONTAINERID="a/b", CNI_IFNAME="..", CNI_NETNS=None)

    assert outcome.document["msg"] == "required env variables [CNI_NETNS] missing"
    assert "CNI_CONTAINERID" in outcome.document["details"]
    assert "CNI_IFNAME" in outcome.document["details"]


@pytest.mark.parametrize("verb", ["GC", "STATUS", "VERSION"])
def test_variables_of_an_attachment_are_ignored_by_the_other_verbs(
    verb: str, tmp_path: Path
) -> None:
    """Contract 1.1: GC/STATUS/VERSION do not validate cid/ifname even if supplied."""
    assert call(verb, tmp_path, CNI_CONTAINERID="a/b", CNI_IFNAME="..").code == 0


@pytest.mark.parametrize("version", ["0.1.0", "0.4.0", "1.0.0"])
def test_the_error_has_the_version_of_the_request(version: str, tmp_path: Path) -> None:
    """SPEC, Section 5, Error: also when it is the environment that is wrong."""
    env = {**toys.environment("ADD", tmp_path), "CNI_CONTAINERID": ""}

    outcome = toys.call(toys.Toy, env, toys.config(cniVersion=version))

    assert outcome.document["code"] == 4
    assert outcome.document["cniVersion"] == version


@pytest.mark.parametrize("stdin", [b"", b"{", b'{"cniVersion": "7.0.0"}', b'{"cniVersion": 1}'])
def test_the_error_has_our_version_when_there_is_none(stdin: bytes, tmp_path: Path) -> None:
    env = {**toys.environment("ADD", tmp_path), "CNI_CONTAINERID": ""}

    outcome = toys.call(toys.Toy, env, io.BytesIO(stdin))

    assert outcome.document["msg"] == "required env variables [CNI_CONTAINERID] missing"
    assert outcome.document["cniVersion"] == "1.1.0"


class Unreadable(io.BytesIO):
    """A stdin that must not be touched."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Fail the test."""
        raise AssertionError("stdin was read")


@pytest.mark.parametrize("verb", ["FOO", "add", "ADD ", "VERSION\n"])
def test_unknown_command_is_refused_without_reading_stdin(verb: str, tmp_path: Path) -> None:
    """T: unknown command → no callback, code 4. W-LIB-3: Go reads and validates stdin first."""
    outcome = toys.call(toys.Toy, toys.environment(verb, tmp_path), Unreadable())

    assert outcome.code == 1
    assert outcome.document["code"] == 4
    assert outcome.document["msg"] == f"unknown CNI_COMMAND: {verb}"
    assert outcome.machine.objects == set()


@pytest.mark.parametrize("env", [{}, {"CNI_COMMAND": ""}], ids=["unset", "empty"])
def test_call_without_command_prints_what_the_plugin_is(env: dict[str, str]) -> None:
    """T: blank command prints about to stderr; missing command with/without about text.

    Ours always has something to say: the first line of the class's docstring.
    """
    outcome = toys.call(toys.Toy, env, Unreadable())

    assert outcome.code == 0
    assert outcome.stdout == b""
    assert outcome.stderr == (
        "Attach containers to nothing.\n"
        "CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n"
    )


@pytest.mark.parametrize("verb", ["ADD", "DEL", "CHECK"])
def test_own_namespace_is_refused_before_anything_is_done(verb: str, tmp_path: Path) -> None:
    """W-LIB-1: Go checks after ADD or DEL is done, and prints two documents."""
    machine = toys.FakeMachine()
    machine.own_netns = toys.NETNS
    env = toys.environment(verb, tmp_path)
    outcome = toys.call(toys.Toy, env, toys.config(**EXTRA.get(verb, {})), machine)

    assert outcome.code == 1
    assert outcome.document["code"] == 8
    assert toys.NETNS in outcome.document["details"]
    assert "CNI_NETNS_OVERRIDE" in outcome.document["details"]
    assert machine.objects == set()
    assert machine.swept == []


@pytest.mark.parametrize("override", ["1", "true", "TRUE", "True"])
def test_own_namespace_is_allowed_on_request(override: str, tmp_path: Path) -> None:
    """Contract 1.1: CNI_NETNS_OVERRIDE equals "1" or case-insensitively "TRUE"."""
    machine = toys.FakeMachine()
    machine.own_netns = toys.NETNS
    env = toys.environment("ADD", tmp_path, CNI_NETNS_OVERRIDE=override)

    assert toys.call(toys.Toy, env, toys.config(), machine).code == 0


@pytest.mark.parametrize("override", ["0", "yes", "false", " 1"])
def test_override_is_not_guessed(override: str, tmp_path: Path) -> None:
    """Anything else leaves the ban."""
    machine = toys.FakeMachine()
    machine.own_netns = toys.NETNS
    env = toys.environment("ADD", tmp_path, CNI_NETNS_OVERRIDE=override)

    assert toys.call(toys.Toy, env, toys.config(), machine).document["code"] == 8


def test_malformed_cni_args_are_refused_by_add_and_forgiven_by_delete(tmp_path: Path) -> None:
    """DEL is lenient."""
    refused = call("ADD", tmp_path, CNI_ARGS="A")

    assert refused.document["code"] == 4
    assert refused.document["msg"] == 'CNI_ARGS: invalid pair "A"'
    assert call("DEL", tmp_path, CNI_ARGS="A").code == 0


def test_cni_args_of_kubernetes_need_no_ignore_unknown(tmp_path: Path) -> None:
    """T: args: unknown not ignored / explicitly not ignored; W-LIB-21: "=" in a value, trailing ";"."""
    args = "K8S_POD_NAME=a=b;IgnoreUnknown=0;MAC=02:00:00:00:00:01;"
    outcome = call("ADD", tmp_path, CNI_ARGS=args)

    assert outcome.document["interfaces"][0]["mac"] == "02:00:00:00:00:01"


@pytest.mark.parametrize("timeout", ["abc", "0", "-1", "nan"])
def test_malformed_timeout_is_named(timeout: str, tmp_path: Path) -> None:
    """Code 4, as for any variable; DEL goes on with the default."""
    refused = call("ADD", tmp_path, CNISDK_TIMEOUT=timeout)

    assert refused.document["code"] == 4
    assert refused.document["msg"].startswith(
        "CNISDK_TIMEOUT: expected a number of seconds above 0"
    )
    assert call("DEL", tmp_path, CNISDK_TIMEOUT=timeout).code == 0


@pytest.mark.parametrize("timeout", ["5", "0.5", "1e400", "inf", "1e9"])
def test_timeout_is_any_number_of_seconds(timeout: str, tmp_path: Path) -> None:
    """Infinity is "never"."""
    assert call("ADD", tmp_path, CNISDK_TIMEOUT=timeout).code == 0
