"""VERSION: the one verb that needs neither configuration nor plugin."""

from __future__ import annotations

import json
import os
import select
from collections.abc import Sequence
from typing import BinaryIO


_PATIENCE = 0.5
"""Seconds to wait for more input; the Go library sends it at once, others may send none."""


def answer(supported: Sequence[str], stdin: BinaryIO, stdout: BinaryIO) -> int:
    """Print the version object of SPEC section 5, echoing the cniVersion of the input.

    Input that is missing or no JSON object is no reason to fail: the newest supported version is
    reported then.

    Returns:
        The exit status.
    """
    reply = {"cniVersion": _asked(stdin) or supported[-1], "supportedVersions": list(supported)}
    stdout.write(json.dumps(reply).encode() + b"\n")
    stdout.flush()
    return 0


def _asked(stdin: BinaryIO) -> str:
    try:
        document = json.loads(_read_what_comes(stdin))
    except (ValueError, OSError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    asked = document.get("cniVersion")
    return asked if isinstance(asked, str) else ""


def _read_what_comes(stdin: BinaryIO) -> bytes:
    """Everything on stdin, without waiting for a caller that sends nothing and never closes it."""
    try:
        fd = stdin.fileno()
    except (AttributeError, OSError):
        return stdin.read()
    received = b""
    while not _complete(received) and select.select([fd], [], [], _PATIENCE)[0]:
        chunk = os.read(fd, 65536)
        if not chunk:
            break
        received += chunk
    return received


def _complete(received: bytes) -> bool:
    try:
        json.loads(received)
    except (ValueError, RecursionError):
        return False
    return True
