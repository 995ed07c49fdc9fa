"""What was recorded, beside the network configuration it should follow."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any, cast

from attrs import define, field

from cni_conformance._versions import NEWEST, VERSIONS, at_least
from cni_conformance.runtime_side._call import (
    WITH_ATTACHMENT,
    Attachment,
    Call,
    Json,
    Operation,
    operations_of,
)


@define(kw_only=True, slots=False)
class Recording:
    """All calls of a run, and the network that the runtime was given.

    Attributes:
        calls: In the order in which they began.
        conflist: The network configuration.
        spec_version: The newest version of the specification the runtime claims to follow.
        was_ended: Whether the runtime was ended by the suite: its last operations may be unfinished.
    """

    calls: list[Call]
    conflist: Json = field(factory=dict)
    spec_version: str = NEWEST
    was_ended: bool = False

    @property
    def network(self) -> str:
        """The network's name."""
        return str(self.conflist.get("name", ""))

    @property
    def types(self) -> list[str]:
        """The plugins of the network in the order of ADD."""
        return [str(each.get("type")) for each in self.plugins]

    @property
    def plugins(self) -> list[Json]:
        """The plugin configuration objects of the network."""
        found: Any = self.conflist.get("plugins")
        return [cast("Json", each) for each in found or [] if _is_object(each)]

    @property
    def version(self) -> str:
        """The version the runtime has to choose: the highest that both sides know."""
        single = str(self.conflist.get("cniVersion", VERSIONS[0]))
        # The list came with 1.1.0; a runtime from before goes by the single version.
        several: list[str] = self.conflist.get("cniVersions") or []
        offered = [single, *(several if at_least(self.spec_version, "1.1.0") else [])]
        known = [each for each in VERSIONS if each in offered and at_least(self.spec_version, each)]
        return known[-1] if known else single

    def of(self, *commands: str) -> list[Call]:
        """The calls with one of the given commands."""
        return [call for call in self.calls if call.command in commands]

    def requests(self, *commands: str) -> list[tuple[Call, Json]]:
        """The calls of this network's plugins which got a JSON object, of given commands or of all but VERSION."""
        return [
            (call, call.request)
            for call in self.calls
            if call.request is not None
            and call.plugin in self.types
            and (call.command in commands if commands else call.command != "VERSION")
        ]

    def configuration_of(self, call: Call) -> Json:
        """The plugin configuration object a call was made for."""
        meant = [each for each in self.plugins if each.get("type") == call.plugin]
        request = call.request or {}
        for each in meant:
            if all(request.get(key) == each[key] for key in each if key != "capabilities"):
                return each
        return meant[0] if meant else {}

    def network_of(self, call: Call) -> str:
        """The network a call belongs to."""
        if call.plugin in self.types:
            return self.network
        return str((call.request or {}).get("name", call.plugin))

    @functools.cached_property
    def operations(self) -> list[Operation]:
        """The calls put together to operations, VERSION left out."""

        def key(call: Call) -> Attachment:
            if call.command in WITH_ATTACHMENT:
                return self.network_of(call), call.container, call.ifname
            return self.network_of(call), "", ""

        known = self.of(*WITH_ATTACHMENT, "GC", "STATUS")
        return operations_of([(key(call), call) for call in known], Counter(self.types))

    def operations_on(self, *commands: str) -> list[Operation]:
        """The operations of given commands on this network."""
        return [
            each
            for each in self.operations
            if each.command in commands and each.attachment[0] == self.network
        ]

    def is_complete(self, operation: Operation) -> bool:
        """Whether every plugin of the network was called."""
        return Counter(call.plugin for call in operation.calls) == Counter(self.types)

    def is_cut_short(self, operation: Operation) -> bool:
        """Whether nobody knows how it would have gone on, nor what would have come after it."""
        later = any(
            each.attachment == operation.attachment and each.started > operation.started
            for each in self.operations
        )
        return self.was_ended and not later

    def last_add(self, operation: Operation) -> Operation | None:
        """The ADD of an attachment that came last before an operation on it."""
        earlier = [
            each
            for each in self.operations
            if each.command == "ADD"
            and each.attachment == operation.attachment
            and each.started < operation.started
        ]
        return earlier[-1] if earlier else None

    def was_added(self, operation: Operation) -> bool:
        """Whether an ADD ran over all plugins without a failure."""
        return operation.command == "ADD" and operation.succeeded and self.is_complete(operation)

    def since(self, first: Operation, second: Operation) -> list[Operation]:
        """The operations on the attachment of the first that began between two operations."""
        return [
            each
            for each in self.operations
            if each.attachment == first.attachment and first.started < each.started < second.started
        ]


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)
