"""JSON as container runtimes write it: what is not ASCII stands there as it is, in UTF-8."""

from __future__ import annotations

import json
from typing import Any


def json_text(document: Any, *, indent: int | None = None) -> str:
    """A document as text that can be encoded."""
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return json.dumps(document, indent=indent)
    return text
