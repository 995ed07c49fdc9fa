"""A fake IPAM plugin: answers as told, remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from cnisdk._answer import Completed
from cnisdk._result_json import decode, encode


@attrs.define
class FakeIpam:
    """Stands in for the delegated plugin, whatever ``ipam.type`` says.

    Make one with `giving` or `failing`.
    """

    result: dict[str, Any] = attrs.field(factory=dict[str, Any])
    """What ADD answers with."""
    error: dict[str, Any] | None = None
    """The error object every verb in `failing_verbs` answers with."""
    failing_verbs: tuple[str, ...] = ()
    """Verbs that fail."""
    verbs: list[str] = attrs.field(factory=list[str])
    """The verbs received so far, in order."""

    @classmethod
    def giving(cls, *addresses: str, gateway: str = "", routes: tuple[str, ...] = ()) -> FakeIpam:
        """An IPAM plugin that hands out these addresses.

        Args:
            *addresses: Addresses in CIDR notation.
            gateway: Gateway of the first address; "" for none.
            routes: Destinations in CIDR notation.
        """
        ips: list[dict[str, Any]] = [{"address": each} for each in addresses]
        if gateway:
            ips[0]["gateway"] = gateway
        return cls(result={"ips": ips, "routes": [{"dst": each} for each in routes]})

    @classmethod
    def failing(
        cls, *, code: int, msg: str, details: str = "", verbs: tuple[str, ...] = ("ADD",)
    ) -> FakeIpam:
        """An IPAM plugin whose verbs fail with this error object.

        Args:
            code: The error's code.
            msg: The error's message.
            details: The error's details.
            verbs: Which verbs fail; the others succeed.
        """
        error = {"cniVersion": "1.1.0", "code": code, "msg": msg, "details": details}
        return cls(error=error, failing_verbs=verbs)

    def copy(self) -> FakeIpam:
        """The same answers with nothing received yet."""
        return attrs.evolve(self, verbs=[])

    def answer(self, env: Mapping[str, str], stdin: bytes) -> Completed:
        """Serve one call as an executable would."""
        verb = env["CNI_COMMAND"]
        self.verbs.append(verb)
        if verb in self.failing_verbs:
            return Completed(json.dumps(self.error).encode(), 1)
        if verb != "ADD":
            return Completed(b"", 0)
        version = json.loads(stdin).get("cniVersion", "0.1.0")
        return Completed(json.dumps(self._in_version(version)).encode(), 0)

    def _in_version(self, version: str) -> dict[str, Any]:
        return encode(decode(self.result, "1.1.0"), version)
