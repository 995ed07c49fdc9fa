"""The vocabulary of the small plugins in this directory: versions, codes, the error, names of owners.

Only the standard library is used.
"""

from __future__ import annotations

from typing import Any


Json = dict[str, Any]

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
FIRST_VERSION_WITH = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}
NEEDED = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
    "GC": (),
    "STATUS": (),
    "VERSION": (),
}
VALID_ATTACHMENTS = "cni.dev/valid-attachments"

# Codes of the specification
INCOMPATIBLE = 1
UNSUPPORTED_FIELD = 2
ENVIRONMENT = 4
UNREADABLE = 5
UNDECODABLE = 6
INVALID = 7
TRY_LATER = 11
UNAVAILABLE = 50
SPECIFIED = frozenset({1, 2, 3, 4, 5, 6, 7, 11, 50, 51})
# Codes of our own
EXHAUSTED = 101
EXISTS = 102
NOT_AS_EXPECTED = 103
TOOL_FAILED = 104
NO_DELEGATE = 105
DELEGATE_FAILED = 106
BAD_STATE = 107
CRASH = 199


class CniError(Exception):
    """What is printed as an error result."""

    def __init__(self, code: int, message: str, details: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.details = details


def tag(name: str) -> str:
    """A name, or its digest where it is too long for a file, a table or a comment."""
    return name if len(name) <= 100 else digest(name)[:40]


def digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def owner_of(containerid: str, ifname: str) -> str:
    return f"{tag(containerid)}/{tag(ifname)}"
