"""What a handler is given: one typed object for each verb, so that impossible states do not type-check."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar, cast

from cnisdk import errors
from cnisdk._config import NetConf
from cnisdk._ipam import BY_INTERFACE, Delegate
from cnisdk._locks import run_dir
from cnisdk._names import stale_owners
from cnisdk._result import Interface, Result, ResultBuilder


if TYPE_CHECKING:
    from cnisdk._call import Call
    from cnisdk._deadline import Deadline
    from cnisdk._log import Log
    from cnisdk._names import Attachment
    from cnisdk._net import Link, Namespace


_P = ParamSpec("_P")
_C = TypeVar("_C")


class Operation(Generic[_C]):
    """What all verbs share."""

    def __init__(
        self,
        call: Call,
        config: _C | None,
        network: NetConf,
        *,
        defect: errors.CniError | None = None,
    ) -> None:
        self._call = call
        self._config = config
        self._network = network
        self._defect = defect

    @property
    def config(self) -> _C:
        """The plugin's configuration; an IPAM plugin's is the ``ipam`` section.

        For DEL and GC it is read leniently: a defective value has its default.

        Raises:
            errors.CniError: DEL and GC only: a required key is missing or defective. A handler that does
                not ask for the configuration succeeds all the same.
        """
        if self._defect is not None:
            raise self._defect
        return cast("_C", self._config)

    @property
    def network(self) -> NetConf:
        """The whole network configuration's common keys."""
        return self._network

    @property
    def log(self) -> Log:
        """The structured log of this call."""
        return self._call.log

    @property
    def deadline(self) -> Deadline:
        """The time budget of this call; pass it to whatever may wait."""
        return self._call.deadline

    @property
    def run_dir(self) -> str:
        """Directory for state that a reboot makes void; CNISDK_RUN_DIR, or /run/cnisdk."""
        return run_dir(self._call.env)

    @cached_property
    def host(self) -> Namespace:
        """The network namespace the plugin runs in."""
        return self._call.host()

    def namespace(self, path: str) -> Namespace | None:
        """The namespace an earlier ADD was for, which this call does not name.

        Args:
            path: The CNI_NETNS that ADD had.

        Returns:
            None when it has gone, or is the one the plugin runs in. Another container may have the
            path by now: compare `Namespace.identity`.
        """
        if not path or self._call.system.is_own_netns(path):
            return None
        try:
            return self._call.container(path)
        except errors.InvalidNetns:
            return None

    @cached_property
    def ipam(self) -> Delegate:
        """The delegated IPAM plugin.

        DEL, CHECK, GC and STATUS are forwarded to it by the SDK; a handler only calls ``add``.

        Raises:
            errors.InvalidConfig: the configuration names no IPAM plugin (code 7).
        """
        if self._network.ipam is None:
            raise errors.InvalidConfig(
                "ipam.type: required, but not given",
                details='name an IPAM plugin, for example {"ipam": {"type": "host-local"}}',
            )
        return self.delegate(self._network.ipam.type)

    def delegate(self, plugin_type: str) -> Delegate:
        """Another plugin to hand this call to (SPEC section 4).

        Args:
            plugin_type: File name of its executable in CNI_PATH.
        """
        call = self._call
        return Delegate(
            plugin_type,
            env=call.env,
            stdin=call.stdin,
            stderr=call.stderr,
            version=call.version,
            system=call.system,
            deadline=call.deadline,
            rollback=call.rollback,
        )


class _OfAttachment(Operation[_C]):
    """A verb about one attachment: ADD, DEL, CHECK."""

    @property
    def attachment(self) -> Attachment:
        """Network, container id and interface name: the owner of everything this call makes."""
        return cast("Attachment", self._call.attachment)

    @property
    def container_id(self) -> str:
        """CNI_CONTAINERID."""
        return self.attachment.container_id

    @property
    def ifname(self) -> str:
        """CNI_IFNAME."""
        return self.attachment.ifname

    @property
    def args(self) -> Mapping[str, str]:
        """CNI_ARGS; prefer a field declared with `cnisdk.arg`.

        Raises:
            errors.InvalidEnvironment: malformed (code 4); in DEL there are none then.
        """
        return self._call.args()

    def _container(self) -> Namespace:
        return self._call.container(self._call.env.get("CNI_NETNS", ""))


class Add(_OfAttachment[_C]):
    """ADD: make the attachment, return its result."""

    def __init__(
        self, call: Call, config: _C, network: NetConf, prev_result: Result | None = None
    ) -> None:
        super().__init__(call, config, network)
        self._prev_result = prev_result

    @cached_property
    def netns(self) -> Namespace:
        """The container's network namespace."""
        return self._container()

    @property
    def prev_result(self) -> Result | None:
        """The result of the plugin before this one in the chain; None for the first."""
        return self._prev_result

    def result(self) -> ResultBuilder:
        """Start the result; in a chain it starts from prevResult."""
        if self._call.is_ipam:
            # SPEC section 5: an IPAM result holds what the plugin hands out, nothing of the chain's.
            return ResultBuilder(allow_interfaces=False)
        return ResultBuilder(self._prev_result)

    def configured(self, made: Interface, *, dad: bool = True) -> Result:
        """Finish an interface: ask IPAM, where there is one, and set it up with what it gives.

        Args:
            made: The interface CNI_IFNAME, as `Namespace` has made it in the container.
            dad: Ask the neighbours whether an IPv6 address is free.

        Returns:
            The result for the handler to return, which starts from prevResult. DNS settings of the
            configuration, where it has any, are taken instead of IPAM's.

        Raises:
            errors.DelegateError: IPAM's own error, unchanged.
            errors.CniError: IPAM gave no address, or the kernel refuses one (code 999).
        """
        res = self.result()
        eth = res.interface(made)
        if self._network.ipam is not None:
            if self._network.ipam.type in BY_INTERFACE:
                self.netns.set_up(self.ifname)
            res.adopt(self.ipam.add(needs_address=True), on=eth)
        result = res.dns(self._network.dns).build()
        self.netns.configure(self.ifname, result, dad=dad)
        return result

    def on_rollback(
        self, undo: Callable[_P, object], /, *args: _P.args, **kwargs: _P.kwargs
    ) -> None:
        """Queue ``undo(*args, **kwargs)``: called, newest first, should this ADD fail."""
        self._call.rollback.add(undo, *args, **kwargs)


class ChainedAdd(Add[_C]):
    """ADD of a chained plugin: prevResult is always there."""

    @property
    def prev_result(self) -> Result:
        """The result of the plugin before this one in the chain."""
        return cast("Result", self._prev_result)


class Del(_OfAttachment[_C]):
    """DEL: remove what ADD made, as far as it is there; needs only network, container id, ifname."""

    def __init__(
        self,
        call: Call,
        config: _C | None,
        network: NetConf,
        prev_result: Result | None = None,
        *,
        defect: errors.CniError | None = None,
    ) -> None:
        super().__init__(call, config, network, defect=defect)
        self._prev_result = prev_result

    @cached_property
    def netns(self) -> Namespace | None:
        """The container's network namespace; None when there is none any more."""
        if not self._call.env.get("CNI_NETNS"):
            return None
        try:
            return self._container()
        except errors.InvalidNetns as gone:
            # SPEC section 2, DEL: complete "even if some resources or state are missing".
            self.log.info("DEL goes on without the network namespace", reason=str(gone))
            return None

    @property
    def prev_result(self) -> Result | None:
        """The result of ADD, when the runtime kept it and it can be read."""
        return self._prev_result


class Check(_OfAttachment[_C]):
    """CHECK: raise an error that names what is missing or altered."""

    def __init__(self, call: Call, config: _C, network: NetConf, prev_result: Result) -> None:
        super().__init__(call, config, network)
        self._prev_result = prev_result

    @cached_property
    def netns(self) -> Namespace:
        """The container's network namespace."""
        return self._container()

    @property
    def prev_result(self) -> Result:
        """The result of ADD, as the last plugin of the chain left it."""
        return self._prev_result

    def verified(self, kind: str, *, by_gateway: bool = False, mtu: int = 0) -> Link:
        """The interface CNI_IFNAME, once it is as `Add.configured` had left it.

        Args:
            kind: The kernel's kind of link, such as macvlan.
            by_gateway: As for `Namespace.configure`.
            mtu: The configured MTU in bytes, for results that do not say what it is by now; 0 for any.

        Raises:
            errors.CniError: it is missing, of another kind, or not as prevResult says (code 999).
        """
        link = self.netns.expect_link(self.ifname, kind=kind)
        self.netns.expect(self.prev_result, self.ifname, by_gateway=by_gateway)
        known = self.prev_result.interface(self.ifname, self.netns.path)
        if mtu and not (known and known.mtu):
            self.netns.expect_link(self.ifname, mtu=mtu)
        return link


class Gc(Operation[_C]):
    """GC: remove everything of this network that belongs to no valid attachment."""

    def __init__(
        self,
        call: Call,
        config: _C | None,
        network: NetConf,
        valid_attachments: frozenset[Attachment],
        *,
        defect: errors.CniError | None = None,
    ) -> None:
        super().__init__(call, config, network, defect=defect)
        self._valid = valid_attachments

    @property
    def valid_attachments(self) -> frozenset[Attachment]:
        """The attachments that still exist (``cni.dev/valid-attachments``)."""
        return self._valid

    def is_stale(self, key: str) -> bool:
        """Whether an owner tag or an `Attachment.key` is of this network, and of no valid attachment."""
        return self._stale(key)

    @cached_property
    def _stale(self) -> Callable[[str], bool]:
        return stale_owners(self._call.network_name, self._valid)


class Status(Operation[_C]):
    """STATUS: raise `errors.PluginNotAvailable` or `errors.LimitedConnectivity` when ADD cannot be served."""

    @contextmanager
    def prerequisite(
        self, prefix: str = "", *, only: type[errors.CniError] = errors.CniError
    ) -> Generator[None]:
        """A block whose errors mean that no ADD can be served.

        Args:
            prefix: What their messages then begin with, such as ``dataDir: ``.
            only: The errors that mean it; others stay what they are.

        Raises:
            errors.PluginNotAvailable: in the words of the block's error (code 50).
        """
        try:
            yield
        except only as failure:
            raise errors.PluginNotAvailable(
                f"{prefix}{failure.msg}", details=failure.details
            ) from failure
