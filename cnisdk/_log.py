"""One line on stderr, everything in the log.

The log is JSON, one object a line, in the file of CNI_LOG_FILE (or the configuration's logFile);
"journald" and "syslog" go to the local daemons. Without either there is no log.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any, Final


LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_SYSLOG_SEVERITY: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3}
_JOURNAL_SOCKET: Final = "/run/systemd/journal/socket"
_SYSLOG_SOCKET: Final = "/dev/log"
_TRACE_VARIABLES: Final = ("TRACEPARENT", "TRACESTATE", "BAGGAGE")


class Log:
    """The structured log of one call.

    Args:
        target: A file's path, "journald", "syslog", or "" for no log.
        level: The least severe level written.
        context: Fields of every record: invocation id, verb, network, container, interface.
    """

    def __init__(
        self, target: str = "", level: str = "info", context: Mapping[str, Any] | None = None
    ) -> None:
        self.target = target
        self.threshold: int = LEVELS.get(level.lower(), LEVELS["info"])
        self.context: dict[str, Any] = dict(context or {})

    @classmethod
    def of(
        cls, env: Mapping[str, str], document: Mapping[str, Any], context: dict[str, Any]
    ) -> Log:
        """The log an environment and a configuration ask for; the environment wins."""

        def text(variable: str, key: str) -> str:
            value = env.get(variable) or document.get(key)
            return value if isinstance(value, str) else ""

        traced = {name.lower(): env[name] for name in _TRACE_VARIABLES if env.get(name)}
        return cls(
            text("CNI_LOG_FILE", "logFile"), text("CNI_LOG_LEVEL", "logLevel"), context | traced
        )

    def debug(self, message: str, **fields: Any) -> None:
        """Record something of use only to the plugin's author."""
        self._write("debug", message, fields)

    def info(self, message: str, **fields: Any) -> None:
        """Record something an operator may want to know afterwards."""
        self._write("info", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Record something that is wrong but did not stop the call."""
        self._write("warning", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        """Record why the call failed."""
        self._write("error", message, fields)

    def _write(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        if not self.target or LEVELS[level] < self.threshold:
            return
        record = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + "Z",
            "level": level,
            "message": message,
            **self.context,
            **fields,
        }
        try:
            self._deliver(level, message, record)
        except (OSError, ValueError, RecursionError):
            return  # A log that cannot be written must not fail an attachment.

    def _deliver(self, level: str, message: str, record: dict[str, Any]) -> None:
        line = json.dumps(record, default=str)
        if self.target == "journald":
            fields = [f"PRIORITY={_SYSLOG_SEVERITY[level]}", "SYSLOG_IDENTIFIER=cnisdk"]
            fields += [f"MESSAGE={message}".replace("\n", " "), f"CNI_RECORD={line}"]
            _send(_JOURNAL_SOCKET, "\n".join(fields) + "\n")
        elif self.target == "syslog":
            # facility daemon (3)
            _send(_SYSLOG_SOCKET, f"<{3 * 8 + _SYSLOG_SEVERITY[level]}>cnisdk: {line}")
        else:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            flags |= os.O_NONBLOCK  # a FIFO without reader must not hold up the call
            fd = os.open(self.target, flags, 0o600)
            try:
                os.write(fd, line.encode() + b"\n")
            finally:
                os.close(fd)


def _send(address: str, text: str) -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.setblocking(False)
        daemon.connect(address)
        daemon.send(text.encode(errors="replace"))
