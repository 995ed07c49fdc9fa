"""The last invocations, one JSON file each, for ``cnisdk trace``.

VERSION is not recorded, and STATUS only when it fails: runtimes ask for it every few seconds.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any, Final, cast

import attrs

from cnisdk import _directories
from cnisdk._config import INPUT, source_of
from cnisdk._locks import run_dir


KEPT: Final = 200
"""How many invocations are kept."""
_PRUNE_EVERY: Final = 16
_KEPT_VARIABLES: Final = ("CNI_", "CNISDK_", "TRACEPARENT", "TRACESTATE", "BAGGAGE", "PATH")
_ALWAYS_SECRET: Final = frozenset({"password", "token", "secret", "privatekey", "apikey"})
REDACTED: Final = "(secret)"


def directory(env: Mapping[str, str]) -> str:
    """Where the records are."""
    return os.path.join(run_dir(env), "invocations")


def write(
    record: Mapping[str, Any],
    *,
    env: Mapping[str, str],
    document: Mapping[str, Any],
    config_class: type,
) -> None:
    """Keep one invocation.

    Args:
        record: Time, duration, plugin, verb and result or error.
        env: The call's environment; only what belongs to the protocol is kept.
        document: What was on stdin; values of secret keys are replaced.
        config_class: Declares which keys are secret.
    """
    name = f"{time.time_ns():x}-{os.getpid():x}"
    secrets = _ALWAYS_SECRET | _declared_secrets(config_class)
    where = directory(env)
    try:
        full = {
            "id": name,
            **record,
            "env": _kept(env, secrets),
            "stdin": _redacted(document, secrets),
        }
        _directories.make(where, 0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        fd = os.open(os.path.join(where, f"{name}.json"), flags, 0o600)
        try:
            os.write(fd, json.dumps(full).encode())
        finally:
            os.close(fd)
        if os.getpid() % _PRUNE_EVERY == 0:
            _prune(where)
    except (OSError, ValueError, RecursionError):
        return  # A record that cannot be written must not fail an attachment.


def _prune(where: str) -> None:
    for name in sorted(os.listdir(where))[:-KEPT]:
        os.unlink(os.path.join(where, name))


def _declared_secrets(config_class: type) -> frozenset[str]:
    fields = attrs.fields(cast("Any", config_class))
    secret = [source_of(field) for field in fields if INPUT in field.metadata]
    return frozenset(
        name.lower()
        for each in secret
        if each.secret
        for name in (each.key, each.arg, each.capability)
        if name
    )


def _kept(env: Mapping[str, str], secrets: frozenset[str]) -> dict[str, str]:
    kept = {key: env[key] for key in env if key.startswith(_KEPT_VARIABLES)}
    pairs = kept.get("CNI_ARGS", "").split(";")
    for index, pair in enumerate(pairs):
        key, separator, _ = pair.partition("=")
        if separator and key.strip().lower() in secrets:
            pairs[index] = f"{key}={REDACTED}"
    return {**kept, "CNI_ARGS": ";".join(pairs)} if "CNI_ARGS" in kept else kept


def _redacted(value: Any, secrets: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: REDACTED if key.lower() in secrets else _redacted(each, secrets)
            for key, each in cast("dict[str, Any]", value).items()
        }
    if isinstance(value, list):
        return [_redacted(each, secrets) for each in cast("list[object]", value)]
    return value
