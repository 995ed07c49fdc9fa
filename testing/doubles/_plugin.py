"""The protocol, as far as the small plugins in this directory share it.

A plugin is a class with a method for each command; each thing it does is a method of its own, so
that a broken plugin is a subclass with one method replaced.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable
from typing import NoReturn

from _cni import (
    CRASH,
    ENVIRONMENT,
    FIRST_VERSION_WITH,
    INCOMPATIBLE,
    INVALID,
    NEEDED,
    UNDECODABLE,
    UNREADABLE,
    VALID_ATTACHMENTS,
    VERSIONS,
    CniError,
    Json,
    owner_of,
)
from _machine import Machine
from _results import as_newest
from _state import Storage


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Plugin(Machine, Storage):
    """One call: the environment and standard input come in, a result or an error goes out."""

    versions = VERSIONS

    def __init__(self) -> None:
        self.command = os.environ.get("CNI_COMMAND", "")
        self.containerid = os.environ.get("CNI_CONTAINERID", "")
        self.netns = os.environ.get("CNI_NETNS", "")
        self.ifname = os.environ.get("CNI_IFNAME", "")
        self.stdin = b""
        self.config: Json = {}
        self.undo: list[Callable[[], object]] = []

    @property
    def runtime_config(self) -> Json:
        given = self.config.get("runtimeConfig")
        return given if isinstance(given, dict) else {}

    # -- commands --------------------------------------------------------------------------------

    def add(self) -> Json | None:
        raise NotImplementedError

    def delete(self) -> None:
        raise NotImplementedError

    def check(self) -> None:
        raise NotImplementedError

    def gc(self) -> None:
        raise NotImplementedError

    def status(self) -> None:
        raise NotImplementedError

    def version(self) -> Json:
        return {"cniVersion": self.cni_version, "supportedVersions": list(self.versions)}

    # -- the way of a call -----------------------------------------------------------------------

    def main(self) -> NoReturn:
        try:
            self.write(self.answer())
            status = 0
        except CniError as failure:
            status = self.fail(failure)
        except Exception as failure:  # noqa: BLE001 - a crash is an error result too
            status = self.fail(self.crash(failure))
        sys.exit(status)

    def answer(self) -> Json | None:
        unreadable = self.read_stdin()
        self.check_environment()
        if unreadable:
            raise unreadable
        if self.command == "VERSION":
            return self.version()
        self.check_version()
        self.check_name()
        if self.command in {"ADD", "CHECK", "STATUS"}:  # DEL and GC take what they find
            self.validate()
        return {
            "ADD": self.add,
            "DEL": self.delete,
            "CHECK": self.check,
            "GC": self.gc,
            "STATUS": self.status,
        }[self.command]()

    def fail(self, failure: CniError) -> int:
        """Print an error; gives the exit status."""
        self.write(self.error(failure))
        return 1

    def error(self, failure: CniError) -> Json:
        document: Json = {
            "cniVersion": self.cni_version,
            "code": failure.code,
            "msg": str(failure),
        }
        if failure.details:
            document["details"] = failure.details
        return document

    def crash(self, failure: Exception) -> CniError:
        """Say where it happened, not what the values were: they may be secret."""
        trace = failure.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = ""
        if trace is not None:
            file = os.path.basename(trace.tb_frame.f_code.co_filename)
            place = f" at {file}:{trace.tb_lineno}"
        return CniError(CRASH, f"internal error: {type(failure).__name__}{place}")

    def write(self, document: Json | None) -> None:
        if document is not None:
            self.write_text(json.dumps(document))

    def write_text(self, text: str) -> None:
        data = text.encode()
        while data:
            data = data[os.write(1, data) :]

    # -- what comes in ---------------------------------------------------------------------------

    def read_stdin(self) -> CniError | None:
        """Read the configuration; gives what is wrong with it, since the environment comes first."""
        try:
            self.stdin = sys.stdin.buffer.read()
        except (OSError, AttributeError):
            return CniError(UNREADABLE, "cannot read the configuration from standard input")
        if self.command == "VERSION" and not self.stdin.strip():
            return None
        try:
            config = json.loads(self.stdin)
        except (ValueError, RecursionError):
            return CniError(UNDECODABLE, "the configuration is not JSON")
        if not isinstance(config, dict):
            return CniError(UNDECODABLE, "the configuration is not a JSON object")
        if not isinstance(config.get("cniVersion", ""), str):
            return CniError(UNDECODABLE, "cniVersion is not a string")
        self.config = config
        return None

    @property
    def cni_version(self) -> str:
        """The version of the request; the first one did not have to be named."""
        if not self.config:
            return VERSIONS[-1]
        return self.config.get("cniVersion") or VERSIONS[0]

    def at_least(self, version: str) -> bool:
        return VERSIONS.index(self.cni_version) >= VERSIONS.index(version)

    def check_environment(self) -> None:
        if self.command not in NEEDED:
            raise CniError(ENVIRONMENT, "CNI_COMMAND is missing or not a command")
        wrong: list[str] = []
        for variable in NEEDED[self.command]:
            value = os.environ.get(variable, "")
            if not value or not self.is_valid(variable, value):
                wrong.append(variable)
        if wrong:
            raise CniError(ENVIRONMENT, f"missing or invalid: {', '.join(wrong)}")

    def is_valid(self, variable: str, value: str) -> bool:
        if variable == "CNI_NETNS":
            return True
        if variable == "CNI_IFNAME" and len(value.encode()) > 15:
            return False
        return _NAME.fullmatch(value) is not None

    def check_version(self) -> None:
        version = self.cni_version
        if version not in self.versions:
            raise CniError(
                INCOMPATIBLE,
                "incompatible CNI versions",
                f"the configuration is {version!r}, supported are {', '.join(self.versions)}",
            )
        if not self.at_least(FIRST_VERSION_WITH.get(self.command, VERSIONS[0])):
            raise CniError(INCOMPATIBLE, f"there is no {self.command} in version {version}")

    def check_name(self) -> None:
        name = self.config.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise CniError(INVALID, "invalid network config: name is missing or not a name")

    def validate(self) -> None:
        """Refuse a configuration ADD cannot work with."""

    @property
    def network(self) -> str:
        return self.config["name"]

    def previous(self) -> Json:
        """prevResult, which must be there, with `interfaces`, `ips`, `routes` and `dns`."""
        previous = self.config.get("prevResult")
        if not isinstance(previous, dict):
            raise CniError(INVALID, "invalid network config: prevResult is missing")
        return as_newest(previous)

    def valid_owners(self) -> set[str] | None:
        """The owners GC is told of; None when it is told nothing."""
        if VALID_ATTACHMENTS not in self.config:
            return None
        rows = self.config[VALID_ATTACHMENTS]
        if rows is None:
            return set()
        try:
            return {owner_of(row["containerID"], row["ifname"]) for row in rows}
        except (TypeError, KeyError):
            raise CniError(INVALID, f"{VALID_ATTACHMENTS} is not a list of attachments") from None

    @property
    def owner(self) -> str:
        """Whom rules and files belong to."""
        return owner_of(self.containerid, self.ifname)

    # -- several steps ---------------------------------------------------------------------------

    def do_all(self, *steps: Callable[[], object]) -> None:
        """Take every step, and report the first failure afterwards."""
        failures: list[CniError] = []
        for step in steps:
            try:
                step()
            except CniError as failure:
                failures.append(failure)
        if failures:
            raise failures[0]

    def roll_back(self) -> None:
        """Undo what ADD has done so far, latest first."""
        while self.undo:
            with contextlib.suppress(Exception):
                self.undo.pop()()
