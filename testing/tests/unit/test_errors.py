"""The error tree: codes, text, documents, and what third parties may define."""

import json

import pytest

from cnisdk import errors


CODES = {
    errors.CniError: 999,
    errors.IncompatibleVersion: 1,
    errors.UnsupportedField: 2,
    errors.UnknownContainer: 3,
    errors.InvalidEnvironment: 4,
    errors.IoFailure: 5,
    errors.DecodingFailure: 6,
    errors.InvalidConfig: 7,
    errors.InvalidNetns: 8,
    errors.TryAgainLater: 11,
    errors.PluginNotAvailable: 50,
    errors.LimitedConnectivity: 51,
    errors.InternalError: 999,
}


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_error_has_the_code_of_the_specification(kind: type[errors.CniError], code: int) -> None:
    """SPEC section 5, "Error"."""
    assert kind("x").code == code
    assert kind("x").document("1.1.0")["code"] == code


def test_error_text_joins_message_and_details() -> None:
    """T: Error text with/without details; constructor."""
    assert str(errors.CniError("what")) == "what"
    assert str(errors.CniError("what", details="why")) == "what; why"


def test_error_document_echoes_the_version() -> None:
    """W-LIB-4: Go's error object lacks cniVersion."""
    assert errors.InvalidConfig("m", details="d").document("0.4.0") == {
        "cniVersion": "0.4.0",
        "code": 7,
        "msg": "m",
        "details": "d",
    }


def test_a_hint_is_for_stderr_and_the_log_alone() -> None:
    """Callers compare some errors whole, as Go prints them: message and details."""
    error = errors.InvalidConfig("m", hint="h")

    assert str(error) == "m; h"
    assert error.document("1.1.0") == {"cniVersion": "1.1.0", "code": 7, "msg": "m"}


def test_error_document_without_details_has_no_such_key() -> None:
    """T: Error without details."""
    assert errors.CniError("m").document("1.1.0") == {
        "cniVersion": "1.1.0",
        "code": 999,
        "msg": "m",
    }


def test_message_that_is_no_text_is_printed_as_text() -> None:
    """An author passes the exception itself; the document must be JSON nevertheless."""
    error = errors.CniError(OSError(2, "gone"), details=KeyError("x"))  # type: ignore[arg-type]

    assert json.loads(json.dumps(error.document("1.1.0")))["msg"] == "[Errno 2] gone"


def test_code_of_an_own_error_is_kept_by_its_subclasses() -> None:
    """Codes of 100 and above belong to the plugin."""

    class PoolExhausted(errors.CniError, code=101):
        pass

    class SubnetExhausted(PoolExhausted):
        pass

    assert PoolExhausted("x").code == SubnetExhausted("x").code == 101


@pytest.mark.parametrize("code", [0, 7, 99, -1])
def test_reserved_code_is_refused_with_the_way_out(code: int) -> None:
    """SPEC section 5: error codes 0-99 are reserved for well-known errors."""
    with pytest.raises(TypeError, match=rf"Mine: code {code} is reserved .* 100 or above"):
        type("Mine", (errors.CniError,), {"__module__": "author"}, code=code)


def test_code_that_is_no_number_is_refused() -> None:
    """It would end up in the error object."""
    with pytest.raises(TypeError, match="must be a whole number, got '101'"):
        type("Mine", (errors.CniError,), {"__module__": "author"}, code="101")


def test_own_error_may_subclass_a_well_known_one() -> None:
    """The way the message for reserved codes points out."""

    class AddressTaken(errors.TryAgainLater):
        pass

    assert AddressTaken("x").code == 11


def test_delegates_error_keeps_its_code() -> None:
    """Even one the specification reserves."""
    error = errors.DelegateError("m", code=7, details="d", delegate="host-local")

    assert (error.code, error.msg, error.details, error.delegate) == (7, "m", "d", "host-local")
