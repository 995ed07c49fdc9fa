"""One thing ``cnisdk doctor`` looked at."""

from __future__ import annotations

from typing import Literal

import attrs


Status = Literal["ok", "warn", "fail", "info"]


@attrs.frozen
class Check:
    """One thing that was looked at."""

    section: str
    name: str
    status: Status
    """fail: the active network cannot work; warn: worth a look; info: not needed, just so."""
    message: str = ""
    hint: str = ""
    """What to do about it."""
