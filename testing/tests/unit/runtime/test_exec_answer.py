"""What a plugin's exit status and output mean: one table for plugins run by exec and in this process."""

import json

import pytest

from cnisdk import errors
from cnisdk._exec import Completed, interpret


def understood(
    stdout=b"", status=0, stderr=b"", *, wants_result=True, version: str | None = "1.0.0"
):
    return interpret(
        Completed(stdout, status, stderr),
        plugin_type="pool",
        verb="ADD" if wants_result else "DEL",
        version=version,
        wants_result=wants_result,
    )


def failure_of(stdout=b"", status=1, stderr=b"", *, wants_result=True):
    with pytest.raises(errors.DelegateError) as caught:
        understood(stdout, status, stderr, wants_result=wants_result)
    assert caught.value.delegate == "pool"
    return caught.value


def test_a_result_is_handed_on_as_it_is():
    """T: runner returns stdout bytes; keys nobody knows and large numbers included."""
    document = {"cniVersion": "0.4.0", "x-own": {"big": 2**63 + 1}, "ips": []}

    assert document == understood(json.dumps(document).encode())


@pytest.mark.parametrize("printed", [{}, {"cniVersion": ""}, {"cniVersion": 4}, None])
def test_a_result_without_version_gets_the_configurations(printed):
    """T: result version missing or empty: config version; null counts as an empty object."""
    assert understood(json.dumps(printed).encode(), version="0.3.1")["cniVersion"] == "0.3.1"


def test_without_any_version_the_result_is_of_the_oldest():
    """T: result and config version both empty: 0.1.0."""
    assert understood(b"{}", version="") == {"cniVersion": "0.1.0"}


@pytest.mark.parametrize("printed", [b"", b"chatter", b"{}", b"\xff"])
def test_output_of_a_verb_without_result_means_nothing(printed):
    """T: no-result variant."""
    assert understood(printed, wants_result=False) == {}


@pytest.mark.parametrize("wants_result", [True, False])
def test_an_error_object_is_passed_on_unchanged(wants_result):
    """T: runner typed error; plugin error passthrough."""
    body = {"cniVersion": "1.0.0", "code": 11, "msg": "try later", "details": "lease\nserver"}

    error = failure_of(json.dumps(body).encode(), wants_result=wants_result)

    assert (error.code, error.msg, error.details) == (11, "try later", "lease\nserver")


def test_an_error_object_in_other_case_and_with_code_zero_is_one_too():
    """Keys are matched regardless of case, and 0 is a code ("unknown")."""
    error = failure_of(b'{"Code": 0, "Msg": "odd"}')

    assert (error.code, error.msg, error.details) == (0, "odd", "")


def test_stderr_is_not_lost_when_there_is_an_error_object():
    """W-LIB-7: Go discards stderr when stdout is not empty."""
    error = failure_of(b'{"code": 7, "msg": "no"}', stderr=b"line 1\nline 2\n")

    assert error.__notes__ == ["stderr: line 1 line 2"]


GARBAGE = [
    pytest.param(b"", 1, "exit status 1 without a message", id="nothing at all"),
    pytest.param(b" \n", 3, "exit status 3 without a message", id="white space"),
    pytest.param(b"panic: oh", 2, "exit status 2 without a CNI error object", id="no JSON"),
    pytest.param(b"[1]", 1, "without a CNI error object", id="no object"),
    pytest.param(b"{}", 1, "without a CNI error object", id="empty object"),
    pytest.param(b'{"code": 7}', 1, "without a CNI error object", id="no msg"),
    pytest.param(b'{"msg": "why"}', 1, "without a CNI error object: why", id="no code"),
    pytest.param(b'{"msg": "why", "code": "7"}', 1, "object: why", id="code is text"),
    pytest.param(b'{"msg": 3, "code": 7}', 1, "without a CNI error object", id="msg is no text"),
    pytest.param(b'{"msg": "why", "code": true}', 1, "object: why", id="code is a flag"),
    pytest.param(b"", -9, "died of signal SIGKILL", id="killed"),
    pytest.param(b'{"code": 7, "msg": "half"}', -11, "signal SIGSEGV: half", id="crashed"),
    pytest.param(b"", -64, "died of signal SIGRTMAX", id="realtime signal"),
    pytest.param(b"", -70, "died of signal 70", id="unknown signal"),
    pytest.param(b"\xff\xfe" * 3, 1, "without a CNI error object", id="binary"),
    pytest.param(b"[" * 100_000, 1, "without a CNI error object", id="bottomless"),
]


@pytest.mark.parametrize(("stdout", "status", "expected"), GARBAGE)
def test_a_failure_without_error_object_is_described(stdout, status, expected):
    """T: stderr-only error text, silent failure text; W-LIB-7: no error with an empty message."""
    error = failure_of(stdout, status, b"some hint\n")

    assert error.msg.startswith('plugin "pool" failed (ADD): ')
    assert expected in error.msg
    assert "stderr: some hint" in error.details
    assert error.code > 0


@pytest.mark.parametrize(
    ("stdout", "expected"),
    [
        (b"", "succeeded but printed no result"),
        (b"\n\t", "succeeded but printed no result"),
        (b"hello", "not JSON"),
        (b'{"ips": []} trailing', "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "printed a list"),
        (b'"text"', "printed a str"),
        (b'{"mtu": NaN}', "NaN is not JSON"),
        (b'{"mtu": 1e999}', "1e999 is not JSON"),
    ],
)
def test_success_without_a_result_is_a_decoding_failure(stdout, expected):
    """T: result bad JSON. An IPAM plugin that prints nothing has not assigned an address."""
    error = failure_of(stdout, 0, b"some hint")

    assert expected in error.msg
    assert "pool" in error.msg
    assert "ADD" in error.msg
    assert "some hint" in error.details
    assert errors.DecodingFailure.code == error.code


def test_long_output_is_cut_in_the_description():
    """An error object is read by people."""
    error = failure_of(b"x" * 100_000, 1)

    assert len(error.details) < 400


def test_a_missing_version_can_be_left_missing():
    """VERSION's answer must say cniVersion itself."""
    assert understood(b'{"a": 1}', version=None) == {"a": 1}
