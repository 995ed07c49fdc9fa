"""The three kinds of plugin as base classes, validated when a subclass is created."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    BinaryIO,
    ClassVar,
    Generic,
    NoReturn,
    TypeVar,
    cast,
    get_args,
)

from cnisdk import versions
from cnisdk._config import IpamConf, NetConf, capabilities_of
from cnisdk._runtime import PluginSpec, main, run
from cnisdk.on import VERB


if TYPE_CHECKING:
    from cnisdk._system import System


_N = TypeVar("_N", bound=NetConf)
_I = TypeVar("_I", bound=IpamConf)

_OPERATION_OF = {
    "ADD": ("Add", "on.add"),
    "DEL": ("Del", "on.delete"),
    "CHECK": ("Check", "on.check"),
    "GC": ("Gc", "on.gc"),
    "STATUS": ("Status", "on.status"),
}
_SUSPENDS = 0x20 | 0x80 | 0x200  # inspect's CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR
_ANNOTATION = re.compile(r"(?:\w+\.)*(?P<operation>\w+)(?:\[(?P<config>.*)\])?")


class AnyPlugin:
    """What the three kinds share: class validation, `run` and `main`."""

    kind: ClassVar[str] = ""
    config_class: ClassVar[type] = NetConf
    """The class given in square brackets."""
    supported_versions: ClassVar[tuple[str, ...]] = versions.ALL
    """Versions of the specification the plugin answers VERSION with."""
    stateless: ClassVar[bool] = False
    handlers: ClassVar[Mapping[str, str]] = {}
    """Verb -> name of the method that serves it."""
    commands: ClassVar[Mapping[str, str]] = {}
    """What the executable does when it is given arguments: the first one -> ``package.module:function``.

    The function is called with the arguments after it and returns the exit status. So `dhcp daemon` starts
    the daemon of the dhcp plugin.
    """
    _system: System | None = None  # here too: an author's __init__ may forget about ours

    def __init_subclass__(
        cls,
        *,
        stateless: bool | None = None,
        supported_versions: tuple[str, ...] | None = None,
        **kwargs: Any,
    ) -> None:
        """Validate the handlers.

        Args:
            stateless: The plugin keeps nothing outside the container's namespace, so that it needs no
                GC handler.
            supported_versions: Versions of the specification, when not all.
            **kwargs: For further base classes.

        Raises:
            TypeError: names class and method, and says what to write instead.
        """
        super().__init_subclass__(**kwargs)
        if cls.__module__ == __name__:
            return
        config_class = _type_argument(cls)
        if config_class is not None:
            cls.config_class = config_class
        if supported_versions is not None:
            cls.supported_versions = _known_versions(cls, supported_versions)
        if stateless is not None:
            cls.stateless = stateless
        cls.handlers = _collect_handlers(cls)

    def __init__(self, *, system: System | None = None) -> None:
        """Make the plugin.

        Args:
            system: Stands in for the machine in tests.
        """
        self._system = system

    def run(
        self, env: Mapping[str, str], stdin: BinaryIO, stdout: BinaryIO, stderr: BinaryIO
    ) -> int:
        """Serve one call; touches no global state of the process.

        Args:
            env: The environment: CNI_COMMAND, CNI_CONTAINERID and so on.
            stdin: The network configuration as JSON.
            stdout: Receives one JSON document, or nothing.
            stderr: Receives one line when the call fails, and what delegates print there.

        Returns:
            The exit status: 0 for success.
        """
        return run(self.spec(), env, stdin, stdout, stderr)

    @classmethod
    def main(cls) -> NoReturn:
        """Serve the call or the command this process was started for, then exit."""
        status = cls.run_command(sys.argv[1:])
        if status is not None:
            sys.exit(status)
        main(lambda: cls().spec())

    @classmethod
    def run_command(cls, arguments: Sequence[str]) -> int | None:
        """Run the command named by the first argument, one of `commands`.

        Args:
            arguments: What followed the name of the executable.

        Returns:
            The exit status; None when it names no command, so that this is a call.
        """
        if not arguments or arguments[0] not in cls.commands:
            return None
        from importlib import import_module

        module, _, name = cls.commands[arguments[0]].partition(":")
        status: int = getattr(import_module(module), name)(arguments[1:])
        return status

    def spec(self) -> PluginSpec:
        """What the runtime needs to know of this plugin."""
        cls = type(self)
        return PluginSpec(
            name=cls.__name__,
            kind=self.kind,
            about=(cls.__doc__ or cls.__name__).strip().partition("\n")[0],
            config_class=self.config_class,
            supported_versions=self.supported_versions,
            handlers={verb: getattr(self, name) for verb, name in self.handlers.items()},
            system=self._system,
        )

    @classmethod
    def capabilities(cls) -> tuple[str, ...]:
        """The capabilities a conflist may enable for this plugin."""
        return capabilities_of(cls.config_class)


class Plugin(AnyPlugin, Generic[_N]):
    """A plugin that makes the interface CNI_IFNAME in the container.

    Whatever is made through ``op.host`` carries the attachment's owner tag, and the SDK removes it on
    DEL and GC, whether or not the handlers do. DEL, CHECK, GC and STATUS are forwarded to the IPAM
    plugin the configuration names.
    """

    kind = "interface"


class ChainedPlugin(AnyPlugin, Generic[_N]):
    """A plugin that changes an attachment another plugin made; prevResult is always there."""

    kind = "chained"


class IpamPlugin(AnyPlugin, Generic[_I]):
    """A plugin that hands out addresses; its configuration is the ``ipam`` section."""

    kind = "ipam"
    config_class = IpamConf


def _type_argument(cls: type) -> type | None:
    """The configuration class in ``Plugin[Conf]``; read without resolving any annotation."""
    for base in cls.__dict__.get("__orig_bases__", ()):
        if not issubclass(getattr(base, "__origin__", object), AnyPlugin):
            continue  # a generic mixin
        for argument in get_args(base):
            if isinstance(argument, type):
                wanted = IpamConf if issubclass(cls, IpamPlugin) else NetConf
                if not issubclass(argument, wanted):
                    raise TypeError(
                        f"{cls.__qualname__}: its configuration class {argument.__qualname__} must "
                        f"subclass cnisdk.{wanted.__name__} and be decorated with @cnisdk.config"
                    )
                if "__attrs_attrs__" not in argument.__dict__:
                    raise TypeError(
                        f"{cls.__qualname__}: decorate its configuration class "
                        f"{argument.__qualname__} with @cnisdk.config"
                    )
                return argument
    return None


def _known_versions(cls: type, wanted: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [version for version in wanted if version not in versions.ALL]
    if unknown or not wanted:
        raise TypeError(
            f"{cls.__qualname__}: supported_versions has {', '.join(unknown) or 'no entry'}; "
            f"choose from {', '.join(versions.ALL)}"
        )
    return wanted


def _collect_handlers(cls: type[AnyPlugin]) -> dict[str, str]:
    """Verb -> method, the most derived class winning; mixins need not know of the SDK."""
    handlers: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__ == __name__ or base is object:
            continue
        own: dict[str, str] = {}
        for name, function in base.__dict__.items():
            verb = _verb_of(function)
            if verb is None:
                continue
            if verb in own:
                raise TypeError(
                    f"{base.__qualname__}: {own[verb]} and {name} both handle {verb}; keep one "
                    f"@{_OPERATION_OF[verb][1]}"
                )
            own[verb] = name
        handlers.update(own)
    for verb, name in handlers.items():
        if hasattr(AnyPlugin, name):
            raise TypeError(
                f"{cls.__qualname__}.{name}: the SDK has a method of this name; call the handler of "
                f"{verb} something else"
            )
        _check_signature(cls, name, _held(cls, name), verb)
    _check_completeness(cls, handlers)
    return handlers


def _verb_of(function: object) -> str | None:
    # A staticmethod hides the marker of the function within.
    marked = getattr(function, VERB, None) or getattr(
        getattr(function, "__func__", None), VERB, None
    )
    return cast("str | None", marked)


def _held(cls: type, name: str) -> object:
    """What a class holds under a name, not bound to anything."""
    return next(base.__dict__[name] for base in cls.__mro__ if name in base.__dict__)


def _check_completeness(cls: type[AnyPlugin], handlers: Mapping[str, str]) -> None:
    if not handlers:
        return  # an abstract base of the author's own
    if "ADD" not in handlers:
        raise TypeError(
            f"{cls.__qualname__} has no ADD handler: add a method "
            f"@on.add def attach(self, op: {_wanted('ADD', cls)}) -> cnisdk.Result"
        )
    if "DEL" not in handlers:
        raise TypeError(
            f"{cls.__qualname__} handles ADD but not DEL: what ADD makes would stay for ever; add a "
            f"method @on.delete def detach(self, op: {_wanted('DEL', cls)}) -> None"
        )
    if cls.kind != "interface" and "GC" not in handlers and not cls.stateless:
        raise TypeError(
            f"{cls.__qualname__} has no GC handler, so what it keeps for containers that vanished "
            f"would leak: add @on.gc def sweep(self, op: {_wanted('GC', cls)}) -> None, or write "
            f"class {cls.__name__}(..., stateless=True) when it keeps nothing outside the container"
        )


def _check_signature(cls: type[AnyPlugin], name: str, function: Any, verb: str) -> None:
    plain = not isinstance(function, staticmethod | classmethod)
    while plain and (inner := getattr(function, "__wrapped__", None)) is not None:
        function = inner
    code = getattr(function, "__code__", None)
    if code is None:
        raise TypeError(f"{cls.__qualname__}.{name}: @{_OPERATION_OF[verb][1]} marks methods only")
    wanted = f"def {name}(self, op: {_wanted(verb, cls)})"
    if code.co_argcount != 2 or code.co_kwonlyargcount:
        raise TypeError(f"{cls.__qualname__}.{name} must take one operation: {wanted}")
    if code.co_flags & _SUSPENDS:
        raise TypeError(
            f"{cls.__qualname__}.{name} must be a plain function, without async and yield: calling "
            "it would do nothing"
        )
    annotations = cast("dict[str, Any]", getattr(function, "__annotations__", {}))
    if verb == "ADD" and "return" in annotations and annotations["return"] in (None, "None"):
        raise TypeError(
            f"{cls.__qualname__}.{name} handles ADD, so it must return its result: {wanted} "
            "-> cnisdk.Result"
        )
    annotation = annotations.get(code.co_varnames[1])
    if annotation is None:
        return
    operation, config = _annotated(annotation)
    allowed = {"Add", "ChainedAdd"} if verb == "ADD" else {_OPERATION_OF[verb][0]}
    known = {each for each, _ in _OPERATION_OF.values()} | {"ChainedAdd"}
    if operation in known and operation not in allowed:
        raise TypeError(
            f"{cls.__qualname__}.{name} handles {verb} but takes cnisdk.{operation}: {wanted}"
        )
    if operation == "ChainedAdd" and cls.kind != "chained":
        raise TypeError(
            f"{cls.__qualname__}.{name} takes cnisdk.ChainedAdd, but {cls.__name__} is no "
            f"ChainedPlugin, so prevResult may be missing: {wanted}"
        )
    fitting = {base.__name__ for base in cls.config_class.__mro__}
    if config in _attrs_names(cls) - fitting:
        raise TypeError(
            f"{cls.__qualname__}.{name} takes the configuration {config}, but the class is "
            f"declared with {cls.config_class.__name__}: {wanted}"
        )


def _attrs_names(cls: type) -> set[str]:
    """Names by which a configuration class could be meant; type variables are left alone."""
    module = vars(sys.modules.get(cls.__module__, object))
    return {
        name
        for name, value in module.items()
        if isinstance(value, type) and issubclass(value, NetConf | IpamConf)
    }


def _annotated(annotation: Any) -> tuple[str, str]:
    """Operation and configuration named by an annotation, as text or as a type."""
    if isinstance(annotation, str):
        match = _ANNOTATION.fullmatch(annotation.strip())
        if match is None:
            return "", ""
        return match["operation"], (match["config"] or "").rpartition(".")[2]
    origin = getattr(annotation, "__origin__", annotation)
    arguments = get_args(annotation)
    config = getattr(arguments[0], "__name__", "") if arguments else ""
    return getattr(origin, "__name__", ""), config


def _wanted(verb: str, cls: type[AnyPlugin]) -> str:
    operation = _OPERATION_OF[verb][0]
    if verb == "ADD" and cls.kind == "chained":
        operation = "ChainedAdd"
    return f"cnisdk.{operation}[{cls.config_class.__name__}]"
