"""How a plugin declares its inputs: one frozen class names every key, capability and argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, NamedTuple, TypeVar, cast, dataclass_transform, overload

import attrs

from cnisdk._result import Dns


_C = TypeVar("_C", bound=type)

INPUT: Final = "cnisdk.input"
"""Key of an attribute's metadata that holds its `Input`."""
STRICT: Final = "__cni_strict__"
"""Class attribute: unknown keys are refused."""


class Input(NamedTuple):
    """Where a field's value comes from; later sources win: key, CNI_ARGS, args.cni, runtimeConfig."""

    key: str | None = None
    """Key in the configuration; "" for the field's name in camelCase, None for no key at all."""
    arg: str = ""
    """Key in CNI_ARGS and in args.cni."""
    capability: str = ""
    """Key in runtimeConfig, which the conflist enables under ``capabilities``."""
    secret: bool = False
    """Never written to logs, traces or messages."""
    description: str = ""
    """One sentence for schema and docs."""
    refusal: str = ""
    """Message for a text that cannot be read, with {} in its place."""


def key(
    name: str = "",
    /,
    *,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    validator: Any = None,
    arg: str = "",
    capability: str = "",
    secret: bool = False,
    description: str = "",
    refusal: str = "",
) -> Any:
    """Declare a configuration key, where the rule snake_case -> camelCase does not give its name.

    Args:
        name: The key as the operator writes it; "" for the field's name in camelCase.
        default: Value when the key is absent or null; without it the key is required.
        factory: Makes the default, for mutable ones.
        validator: An attrs validator or a list of them.
        arg: Also taken from CNI_ARGS and args.cni under this name; beats the key.
        capability: Also taken from runtimeConfig under this name; beats everything.
        secret: Keep the value out of logs, traces and messages.
        description: One sentence for the JSON Schema and the docs page.
        refusal: Message for a text that is no address or network, with {} in its place, where callers
            know another plugin's words; the SDK's own, with the path, go into the hint (stderr and log).
    """
    source = Input(name, arg, capability, secret, description, refusal)
    return _field(source, default, factory, validator)


def capability(
    name: str,
    /,
    *,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    validator: Any = None,
    arg: str = "",
    description: str = "",
    refusal: str = "",
) -> Any:
    """Declare an input filled from ``runtimeConfig`` (SPEC section 3, "Deriving runtimeConfig").

    Args:
        name: The capability, for example "mac" or "portMappings".
        default: Value when the runtime sends none.
        factory: Makes the default, for mutable ones.
        validator: An attrs validator or a list of them.
        arg: Also taken from CNI_ARGS and args.cni under this name; runtimeConfig beats it.
        description: One sentence for the JSON Schema and the docs page.
        refusal: Message for a text that is no address or network, with {} in its place, where callers
            know another plugin's words; the SDK's own, with the path, go into the hint (stderr and log).
    """
    return _field(Input(None, arg, name, False, description, refusal), default, factory, validator)


def arg(
    name: str,
    /,
    *,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    validator: Any = None,
    description: str = "",
    refusal: str = "",
) -> Any:
    """Declare an input filled from CNI_ARGS and ``args.cni``; the latter wins.

    Args:
        name: The argument, for example "IP"; args.cni is searched regardless of case. CNI_ARGS are
            text: the items of a list are separated by commas there.
        default: Value when there is none.
        factory: Makes the default, for mutable ones.
        validator: An attrs validator or a list of them.
        description: One sentence for the JSON Schema and the docs page.
        refusal: Message for a text that is no address or network, with {} in its place, where callers
            know another plugin's words; the SDK's own, with the path, go into the hint (stderr and log).
    """
    return _field(Input(None, name, "", False, description, refusal), default, factory, validator)


def _field(source: Input, default: Any, factory: Callable[[], Any] | None, validator: Any) -> Any:
    # attrs types its default by overloads that a pass-through cannot choose from.
    make = cast("Callable[..., Any]", attrs.field)
    if factory is not None:
        return make(factory=factory, validator=validator, metadata={INPUT: source})
    return make(default=default, validator=validator, metadata={INPUT: source})


@overload
def config(cls: _C, /) -> _C: ...
@overload
def config(*, strict: bool = False) -> Callable[[_C], _C]: ...
@dataclass_transform(
    kw_only_default=True, frozen_default=True, field_specifiers=(attrs.field, key, capability, arg)
)
def config(cls: Any = None, /, *, strict: bool = False) -> Any:
    """Make a class a plugin's configuration: frozen, keyword-only, keys in camelCase.

    Args:
        cls: The class, when used without parentheses.
        strict: Refuse unknown keys with code 2 instead of allowing them.
    """

    def decorate(plain: Any) -> Any:
        setattr(plain, STRICT, strict)
        if "__repr__" not in plain.__dict__:
            plain.__repr__ = _repr
        return attrs.frozen(kw_only=True, slots=True, repr=False)(plain)

    return decorate if cls is None else decorate(cls)


def _repr(self: Any) -> str:
    """As attrs would, but for secrets; and not compiled anew for every class."""
    parts = (
        f"{field.name}={'(secret)' if source_of(field).secret else repr(getattr(self, field.name))}"
        for field in attrs.fields(cast("Any", type(self)))
    )
    return f"{type(self).__qualname__}({', '.join(parts)})"


def source_of(field: attrs.Attribute[Any]) -> Input:
    """Where a field of a configuration class is filled from."""
    source = field.metadata.get(INPUT)
    if source is None:
        return Input(camel_case(field.name))
    if source.key == "":
        return cast("Input", source._replace(key=camel_case(field.name)))
    return cast("Input", source)


def camel_case(name: str) -> str:
    """``is_gateway`` -> ``isGateway``; a trailing underscore (keyword clash) is dropped."""
    first, *rest = name.rstrip("_").split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def capabilities_of(cls: type) -> tuple[str, ...]:
    """The capabilities a configuration class takes, as a conflist enables them."""
    fields = attrs.fields(cast("Any", cls))
    return tuple(source_of(field).capability for field in fields if source_of(field).capability)


@config
class IpamConf:
    """The ``ipam`` section of a network configuration; IPAM plugins subclass it."""

    __cni_strict__: ClassVar[bool]

    type: str = ""
    """File name of the IPAM plugin."""


@config
class NetConf:
    """The network configuration a plugin is given (SPEC section 1); plugins subclass it."""

    __cni_strict__: ClassVar[bool]

    cni_version: str = "0.1.0"
    """Protocol version of this call."""
    name: str = ""
    """Name of the network."""
    type: str = ""
    """File name of the plugin."""
    ipam: IpamConf | None = None
    """The delegated IPAM plugin; None when the section is absent or names no type."""
    dns: Dns | None = None
    """DNS settings for the result; None when the configuration has none."""
    timeout_seconds: float | None = None
    """Time budget of a call in seconds; the environment's CNISDK_TIMEOUT wins."""
    log_file: str = ""
    """File the structured log goes to, or "journald" or "syslog"; CNI_LOG_FILE wins."""
    log_level: str = "info"
    """debug, info, warning or error; CNI_LOG_LEVEL wins."""
