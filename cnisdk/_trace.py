"""The last invocations, one JSON file each, for ``cnisdk trace``.

VERSION is not recorded, and STATUS only when it fails: runtimes ask for it every few seconds.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from cnisdk._config import INPUT
from cnisdk._locks import run_dir


if TYPE_CHECKING:
    from cnisdk._runtime import _Invocation

KEPT: Final = 200
"""How many invocations are kept."""
_PRUNE_EVERY: Final = 16
_KEPT_VARIABLES: Final = ("CNI_", "CNISDK_", "TRACEPARENT", "TRACESTATE", "BAGGAGE", "PATH")
_ALWAYS_SECRET: Final = frozenset({"password", "token", "secret", "privatekey", "apikey"})
REDACTED: Final = "(secret)"


def directory(env: Mapping[str, str]) -> str:
    """Where the records are."""
    return os.path.join(run_dir(env), "invocations")


@contextmanager
def recorded(invocation: _Invocation) -> Iterator[None]:
    """Record a call when it ends, however it ends."""
    start = time.time_ns()
    try:
        yield
    except BaseException as failure:
        from cnisdk._runtime import as_cni_error

        error = as_cni_error(failure, invocation.label, invocation.verb)
        _write(invocation, start, {"error": error.document(invocation.version)})
        raise
    if invocation.verb != "STATUS":
        _write(invocation, start, {"result": json.loads(invocation.output or b"null")})


def _write(invocation: _Invocation, start: int, outcome: dict[str, Any]) -> None:
    secrets = _ALWAYS_SECRET | _declared_secrets(invocation.spec.config_class)
    env = invocation.env
    name = f"{start:x}-{os.getpid():x}"
    record = {
        "id": name,
        "time": start / 1e9,
        "duration": (time.time_ns() - start) / 1e9,
        "plugin": invocation.label,
        "verb": invocation.verb,
        "env": {key: env[key] for key in env if key.startswith(_KEPT_VARIABLES)},
        "stdin": _redacted(invocation.document, secrets),
        **outcome,
    }
    where = directory(env)
    try:
        os.makedirs(where, mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(os.path.join(where, f"{name}.json"), flags, 0o600)
        try:
            os.write(fd, json.dumps(record).encode())
        finally:
            os.close(fd)
        if start // 1000 % _PRUNE_EVERY == 0:
            _prune(where)
    except OSError:
        return  # A record that cannot be written must not fail an attachment.


def _prune(where: str) -> None:
    for name in sorted(os.listdir(where))[:-KEPT]:
        os.unlink(os.path.join(where, name))


def _declared_secrets(config_class: type) -> frozenset[str]:
    from cnisdk._config import source_of

    fields = attrs.fields(cast("Any", config_class))
    return frozenset(
        (source_of(field).key or field.name).lower()
        for field in fields
        if INPUT in field.metadata and source_of(field).secret
    )


def _redacted(value: Any, secrets: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: REDACTED if key.lower() in secrets else _redacted(each, secrets)
            for key, each in cast("dict[str, Any]", value).items()
        }
    if isinstance(value, list):
        return [_redacted(each, secrets) for each in cast("list[Any]", value)]
    return value
