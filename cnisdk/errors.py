"""The errors a plugin can end with, and their codes in the CNI protocol.

The tree:

    CniError                     any code; 999 unless a subclass says otherwise
    ├── IncompatibleVersion      1   the configuration's cniVersion is not supported
    ├── UnsupportedField         2   a configuration key the plugin refuses
    ├── UnknownContainer         3   nothing to clean up: the runtime may skip DEL
    ├── InvalidEnvironment       4   a CNI_* variable is missing or malformed
    ├── IoFailure                5   reading or writing failed
    ├── DecodingFailure          6   not JSON, or JSON of the wrong type
    ├── InvalidConfig            7   well-formed, but makes no sense
    ├── InvalidNetns             8   CNI_NETNS does not name a usable network namespace
    ├── TryAgainLater            11  a passing condition; the runtime should retry
    ├── PluginNotAvailable       50  STATUS: no ADD can be served
    ├── LimitedConnectivity      51  STATUS: as 50, and existing containers suffer too
    ├── InternalError            999 anything unexpected
    └── DelegateError            the delegate's own code, message and details

Codes: CNI SPEC 1.1.0 section 5 "Error"; 8 and 999 follow the Go library.
"""

from __future__ import annotations

import errno
from typing import Any


# SPEC section 5: "Error codes 0-99 are reserved for well-known errors."
_FIRST_FREE_CODE = 100


class CniError(Exception):
    """An error that reaches the runtime as a CNI error object.

    Subclass it for errors of your own; give the class a code of 100 or above::

        class PoolExhausted(errors.CniError, code=101):
            \"\"\"No free address is left in the configured subnet.\"\"\"

    Args:
        msg: One sentence for the operator: what is wrong, with the offending key, value or file.
        details: A longer text: who holds what, what to do next.
        hint: The same for stderr and the log alone. Callers compare some errors of the Go plugins whole, and
            their text is message and details: such a message comes without details.

    Attributes:
        code: The number in the error object.
        msg: The message as given.
        details: The details as given, "" when there are none.
        hint: The hint as given, "" when there is none.
    """

    code: int = 999
    msg: str
    details: str
    hint: str

    def __init__(self, msg: str, /, *, details: str = "", hint: str = "") -> None:
        super().__init__(msg)
        # Authors pass an exception now and then: what is printed must be JSON in any case.
        self.msg = str(msg)
        self.details = str(details)
        self.hint = str(hint)

    def __init_subclass__(cls, *, code: int | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if code is None:
            return
        if type(code) is not int:
            raise TypeError(
                f"{cls.__module__}.{cls.__qualname__}: code must be a whole number, got {code!r}"
            )
        reserved = code < _FIRST_FREE_CODE and not cls.__module__.startswith("cnisdk.")
        if reserved:
            raise TypeError(
                f"{cls.__module__}.{cls.__qualname__}: code {code} is reserved by the CNI "
                f"specification; choose {_FIRST_FREE_CODE} or above, or subclass the error of "
                "cnisdk.errors that has this code"
            )
        cls.code = code

    def __str__(self) -> str:
        return "; ".join(filter(None, (self.msg, self.details, self.hint)))

    def document(self, cni_version: str) -> dict[str, Any]:
        """The error object of SPEC section 5.

        Args:
            cni_version: The protocol version in use, echoed as ``cniVersion``.
        """
        document: dict[str, Any] = {"cniVersion": cni_version, "code": self.code, "msg": self.msg}
        if self.details:
            document["details"] = self.details
        return document


class IncompatibleVersion(CniError, code=1):
    """The configuration's cniVersion is not one the plugin supports."""


class UnsupportedField(CniError, code=2):
    """A configuration key the plugin refuses; the message names key and value."""


class UnknownContainer(CniError, code=3):
    """The container does not exist: the runtime need not clean up."""


class InvalidEnvironment(CniError, code=4):
    """CNI_* variables are missing or malformed; the message names them."""


class IoFailure(CniError, code=5):
    """Reading or writing failed, for example the configuration on stdin."""


class DecodingFailure(CniError, code=6):
    """Content is not JSON, or a value has the wrong JSON type."""


class InvalidConfig(CniError, code=7):
    """The configuration is well-formed but fails a validation."""


class InvalidNetns(CniError, code=8):
    """CNI_NETNS does not name a network namespace the plugin may work on."""


class TryAgainLater(CniError, code=11):
    """A passing condition: a lock held, a deadline reached, a server not answering."""


class PluginNotAvailable(CniError, code=50):
    """STATUS: the plugin cannot serve ADD."""


class LimitedConnectivity(CniError, code=51):
    """STATUS: the plugin cannot serve ADD, and existing containers may have lost connectivity."""


class InternalError(CniError, code=999):
    """Something unexpected happened; the log has the traceback."""


class DelegateError(CniError):
    """A delegated plugin failed; its code, message and details are passed on unchanged.

    Args:
        msg: The delegate's message.
        code: The delegate's code.
        details: The delegate's details.
        delegate: The delegate's type, for example ``host-local``.
    """

    def __init__(self, msg: str, /, *, code: int, details: str = "", delegate: str = "") -> None:
        super().__init__(msg, details=details)
        self.code = code
        self.delegate = delegate


_SHORTAGES = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOBUFS,
        errno.ENOLCK,
        errno.EAGAIN,
        errno.EINTR,
    }
)


def is_shortage(failure: OSError) -> bool:
    """Whether the machine was short of something: descriptors, memory, buffers.

    Such a failure says nothing about what was asked for. DEL and GC, which take what cannot be read as
    gone, must not take that for it: raise `TryAgainLater`, and the runtime will ask again.
    """
    return failure.errno in _SHORTAGES
