"""VERSION: the one verb that needs neither configuration nor plugin."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Sequence
from typing import BinaryIO, cast


_PATIENCE = 0.5
"""Seconds to wait for input; the Go library sends it at once, others may send none."""
_MOST = 1 << 20
"""Bytes of input looked at."""


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
    folded = {key.lower(): value for key, value in cast("dict[str, object]", document).items()}
    asked = folded.get("cniversion")
    return asked if isinstance(asked, str) else ""


def _read_what_comes(stdin: BinaryIO) -> bytes:
    """Everything on stdin, without waiting for a caller that sends nothing and never closes it."""
    try:
        fd = stdin.fileno()
    except (AttributeError, OSError):
        return stdin.read(_MOST)
    received = b""
    end = time.monotonic() + _PATIENCE
    while len(received) < _MOST and not _complete(received):
        if not select.select([fd], [], [], max(0.0, end - time.monotonic()))[0]:
            break
        chunk = os.read(fd, 65536)
        if not chunk:
            break
        received += chunk
    return received


def _complete(received: bytes) -> bool:
    if not received.rstrip().endswith(b"}"):
        return False
    try:
        json.loads(received)
    except (ValueError, RecursionError):
        return False
    return True
