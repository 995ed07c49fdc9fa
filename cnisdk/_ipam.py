"""Delegation: running another plugin with the same environment and configuration (SPEC section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import attrs

from cnisdk import errors
from cnisdk._answer import interpret
from cnisdk._result import Result
from cnisdk._result_json import decode


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline
    from cnisdk._rollback import Rollback
    from cnisdk._system import System

BY_INTERFACE = frozenset({"dhcp"})
"""IPAM plugins whose packets go through the interface: it is up before their ADD, and there until their DEL."""


class Delegate:
    """A delegated plugin, usually the one of ``ipam.type``."""

    def __init__(
        self,
        plugin_type: str,
        *,
        env: Mapping[str, str],
        stdin: bytes,
        stderr: BinaryIO,
        version: str,
        system: System,
        deadline: Deadline,
        rollback: Rollback,
    ) -> None:
        self.type = plugin_type
        """The plugin's file name."""
        self._env = env
        self._stdin = stdin
        self._stderr = stderr
        self._version = version
        self._system = system
        self._deadline = deadline
        self._rollback = rollback

    def add(self, *, needs_address: bool = False) -> Result:
        """Run ADD; its DEL is queued in case this ADD or anything after it fails.

        Args:
            needs_address: The attachment is of no use without an address.

        Returns:
            The delegate's result without interfaces (SPEC section 5, "Delegated plugins").

        Raises:
            errors.DelegateError: the delegate's own error, unchanged.
            errors.CniError: the result has no address, and needs one (code 999).
        """
        # Queued first: SPEC section 4 wants DEL after a failed delegated ADD too, and a kill in
        # between must not lose it.
        self._rollback.add(self.delete)
        document = self._run("ADD", wants_result=True)
        result = decode(document, self._version, where=f"result of {self.type}")
        if needs_address and not result.ips:
            raise errors.CniError("IPAM plugin returned missing IP config")
        ips = tuple(attrs.evolve(ip, interface=None) for ip in result.ips)
        return attrs.evolve(result, interfaces=(), ips=ips)

    def delete(self) -> None:
        """Run DEL."""
        self._run("DEL")

    def check(self) -> None:
        """Run CHECK."""
        self._run("CHECK")

    def gc(self) -> None:
        """Run GC."""
        self._run("GC")

    def status(self) -> None:
        """Run STATUS."""
        self._run("STATUS")

    def _run(self, verb: str, *, wants_result: bool = False) -> dict[str, Any]:
        # The delegate gets what is left of this call's time.
        budget = f"{self._deadline.remaining():.3f}"
        env = {**self._env, "CNI_COMMAND": verb, "CNISDK_TIMEOUT": budget}
        with self._deadline.step(f"waiting for {verb} of the delegated plugin {self.type}"):
            self._deadline.check()
            completed = self._system.run_delegate(
                self.type, env, self._stdin, self._stderr, self._deadline
            )
            return interpret(
                completed,
                plugin_type=self.type,
                verb=verb,
                version=self._version,
                wants_result=wants_result,
            )
