"""A plugin class is checked when it is created; the message names class and method and the way out."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

import pytest

import cnisdk
from cnisdk import on


@cnisdk.config
class Conf(cnisdk.NetConf):
    """An interface plugin's configuration."""


@cnisdk.config
class OtherConf(cnisdk.NetConf):
    """Somebody else's."""


@cnisdk.config
class PoolConf(cnisdk.IpamConf):
    """An IPAM plugin's configuration."""


class Undecorated(cnisdk.NetConf):
    """Lacks @cnisdk.config."""


_T = TypeVar("_T")
_N = TypeVar("_N", bound=cnisdk.NetConf)


def add(self: Any, op: cnisdk.Add[Conf]) -> cnisdk.Result:
    """A handler."""
    return op.result().build()


def delete(self: Any, op: cnisdk.Del[Conf]) -> None:
    """A handler."""


def sweep(self: Any, op: cnisdk.Gc[Any]) -> None:
    """A handler."""


def make(base: Any = None, name: Any = "Bad", keywords: Any = None, **body: Any) -> Any:
    """Create a class as the class statement does."""
    import types

    bases = base if isinstance(base, tuple) else (base or cnisdk.Plugin[Conf],)
    return types.new_class(name, bases, keywords or {}, lambda space: space.update(body))


def fresh(function: Callable[..., Any]) -> Any:
    """A copy that can be marked."""
    import types

    copy = types.FunctionType(function.__code__, globals(), function.__name__)
    copy.__annotations__ = dict(function.__annotations__)
    return copy


def good(**more: Any) -> dict[str, Any]:
    """The two handlers every plugin needs."""
    return {"attach": on.add(fresh(add)), "detach": on.delete(fresh(delete)), **more}


def refusal(*arguments: Any, **keywords: Any) -> str:
    """The message a class is refused with."""
    with pytest.raises(TypeError) as caught:
        make(*arguments, **keywords)
    return str(caught.value)


def test_plugin_with_add_and_delete_is_accepted() -> None:
    """The smallest plugin there is."""
    plugin = make(**good())

    assert plugin.handlers == {"ADD": "attach", "DEL": "detach"}
    assert plugin.config_class is Conf
    assert plugin.kind == "interface"


def test_plugin_without_add_is_told_what_to_write() -> None:
    """Class and signature are named."""
    assert refusal(detach=on.delete(fresh(delete))) == (
        "Bad has no ADD handler: add a method "
        "@on.add def attach(self, op: cnisdk.Add[Conf]) -> cnisdk.Result"
    )


def test_plugin_without_delete_is_told_what_to_write() -> None:
    """What ADD makes would stay for ever."""
    message = refusal(attach=on.add(fresh(add)))

    assert message.startswith("Bad handles ADD but not DEL")
    assert "@on.delete def detach(self, op: cnisdk.Del[Conf]) -> None" in message


def test_two_handlers_of_a_verb_are_named() -> None:
    """Both methods."""
    message = refusal(**good(again=on.add(fresh(add))))

    assert message == "Bad: attach and again both handle ADD; keep one @on.add"


@pytest.mark.parametrize(
    ("base", "kind"),
    [(cnisdk.ChainedPlugin[Conf], "chained"), (cnisdk.IpamPlugin[PoolConf], "ipam")],
)
def test_plugin_that_may_keep_state_needs_a_gc_handler(base: Any, kind: str) -> None:
    """W-LIB-2: an absent handler is no silent success. `stateless=True` opts out."""
    body = {"attach": on.add(fresh(add)), "detach": on.delete(fresh(delete))}
    message = refusal(base, **body)

    assert message.startswith("Bad has no GC handler")
    assert "@on.gc def sweep(self, op: cnisdk.Gc[" in message
    assert "stateless=True" in message
    assert make(base, keywords={"stateless": True}, **body).kind == kind
    assert make(base, **body, sweep=on.gc(fresh(sweep))).handlers["GC"] == "sweep"


@pytest.mark.parametrize(
    ("marker", "operation", "wanted"),
    [
        (on.add, cnisdk.Del[Conf], "handles ADD but takes cnisdk.Del: def h(self, op: cnisdk.Add"),
        (
            on.delete,
            cnisdk.Add[Conf],
            "handles DEL but takes cnisdk.Add: def h(self, op: cnisdk.Del",
        ),
        (on.check, "cnisdk.Add[Conf]", "handles CHECK but takes cnisdk.Add"),
        (on.gc, "Check[Conf]", "handles GC but takes cnisdk.Check"),
        (on.status, "cnisdk.Gc", "handles STATUS but takes cnisdk.Gc"),
        (on.add, cnisdk.ChainedAdd[Conf], "Bad is no ChainedPlugin, so prevResult may be missing"),
        (on.add, cnisdk.Add[OtherConf], "takes the configuration OtherConf, but the class is decl"),
        (on.delete, "cnisdk.Del[OtherConf]", "takes the configuration OtherConf"),
    ],
)
def test_handler_with_the_wrong_operation_is_named(
    marker: Any, operation: Any, wanted: str
) -> None:
    """Annotations are read as text or as types; class, method and the right line are in the message."""

    def h(self: Any, op: Any) -> Any:
        pass

    h.__annotations__ = {"op": operation}
    h.__module__ = __name__
    message = refusal(__module__=__name__, h=marker(h))

    assert message.startswith("Bad.h ")
    assert wanted in message


@pytest.mark.parametrize(
    "operation",
    [cnisdk.Add[Any], cnisdk.Add[cnisdk.NetConf], "cnisdk.Add[NetConf]", "Add", "int | x"],
    ids=repr,
)
def test_handler_with_a_wider_or_unknown_annotation_is_accepted(operation: Any) -> None:
    """What is not certainly wrong is the type checker's business."""
    handler = fresh(add)
    handler.__annotations__ = {"op": operation}

    assert make(**{**good(), "attach": on.add(handler)}).handlers["ADD"] == "attach"


@pytest.mark.parametrize(
    "handler",
    [
        lambda self: None,
        lambda self, op, extra: None,
        lambda self, op, *, extra: None,
        lambda self, op, extra=1: None,
    ],
    ids=["none", "two", "keyword", "default"],
)
def test_handler_with_the_wrong_parameters_is_told_what_to_write(handler: Any) -> None:
    """It takes one operation."""
    message = refusal(**good(verify=on.check(handler)))

    assert message == "Bad.verify must take one operation: def verify(self, op: cnisdk.Check[Conf])"


async def _coroutine(self: Any, op: Any) -> None:
    pass


def _generator(self: Any, op: Any) -> Any:
    yield


async def _async_generator(self: Any, op: Any) -> Any:
    yield


@pytest.mark.parametrize("handler", [_coroutine, _generator, _async_generator])
def test_handler_that_would_not_run_is_refused(handler: Any) -> None:
    """Calling `async def` or a generator does nothing: DEL would succeed without having run."""
    message = refusal(**good(verify=on.check(fresh(handler))))

    assert message.startswith("Bad.verify must be a plain function, without async and yield")


@pytest.mark.parametrize("returns", [None, "None"], ids=repr)
def test_add_handler_declared_to_return_nothing_is_refused(returns: Any) -> None:
    """The usual slip of a newcomer."""
    handler = fresh(add)
    handler.__annotations__ = {"return": returns}
    message = refusal(**{**good(), "attach": on.add(handler)})

    assert message == (
        "Bad.attach handles ADD, so it must return its result: "
        "def attach(self, op: cnisdk.Add[Conf]) -> cnisdk.Result"
    )


@pytest.mark.parametrize("wrapper", [staticmethod, classmethod])
def test_handler_that_is_no_method_is_refused(wrapper: Any) -> None:
    """In either order of the decorators."""
    expected = "Bad.verify: @on.check marks methods only"

    assert refusal(**good(verify=wrapper(on.check(fresh(sweep))))) == expected
    assert refusal(**good(verify=on.check(wrapper(fresh(sweep))))) == expected


def test_handler_under_another_decorator_is_checked_by_what_it_wraps() -> None:
    """`functools.wraps` keeps marker and signature."""

    def logged(handler: Any) -> Any:
        @functools.wraps(handler)
        def wrapper(*arguments: Any) -> Any:
            return handler(*arguments)

        return wrapper

    assert make(**good(h=logged(on.check(fresh(sweep_as_check))))).handlers["CHECK"] == "h"
    assert make(**good(h=on.check(logged(fresh(sweep_as_check))))).handlers["CHECK"] == "h"
    assert "must take one" in refusal(**good(h=on.check(logged(lambda self: None))))


def sweep_as_check(self: Any, op: cnisdk.Check[Conf]) -> None:
    """A handler."""


@pytest.mark.parametrize("name", ["run", "main", "spec", "capabilities", "handlers"])
def test_handler_that_hides_the_sdks_own_method_is_refused(name: str) -> None:
    """Else the plugin would fail at its first call, for no visible reason."""
    message = refusal(**good(**{name: on.check(fresh(sweep_as_check))}))

    assert message.startswith(f"Bad.{name}: the SDK has a method of this name")


# ---- inheritance --------------------------------------------------------------------------------


def test_handlers_are_inherited_and_overridden() -> None:
    """An override needs no second marker; another method for the verb takes over."""
    base = make(name="Base", **good())
    quiet = make((base,), name="Quiet", attach=fresh(add))
    moved = make((base,), name="Moved", attach2=on.add(fresh(add)))

    assert quiet.handlers == base.handlers
    assert moved.handlers == {"ADD": "attach2", "DEL": "detach"}
    assert moved.config_class is Conf


def test_override_without_marker_is_checked_too() -> None:
    """It is what will be called."""
    base = make(name="Base", **good())

    assert "Bad.attach must take one" in refusal((base,), attach=lambda self: None)


def test_handlers_come_from_plain_mixins() -> None:
    """A class that knows nothing of the SDK but `on`."""
    mixin = type("Sweeping", (), {"sweep": on.gc(fresh(sweep))})
    plugin = make((mixin, cnisdk.ChainedPlugin[Conf]), **good())

    assert plugin.handlers["GC"] == "sweep"


def test_signature_of_a_mixins_handler_is_checked() -> None:
    """The message names the plugin, which is where the author looks."""
    mixin = type("Sweeping", (), {"sweep": on.gc(fresh(delete))})

    assert "Bad.sweep handles GC but takes cnisdk.Del" in refusal(
        (mixin, cnisdk.Plugin[Conf]), **good()
    )


def test_base_without_handlers_is_abstract() -> None:
    """An author's own base may hold only helpers, and may be generic."""

    class Shared(cnisdk.Plugin[_N]):
        """No handlers."""

    plugin = make((Shared[Conf],), **good())

    assert Shared.handlers == {}
    assert plugin.config_class is Conf


def test_argument_of_a_generic_mixin_is_no_configuration() -> None:
    """Only the SDK's base says which class it is."""

    class Mixin(Generic[_T]):
        """Unrelated."""

    assert make((Mixin[int], cnisdk.Plugin[Conf]), **good()).config_class is Conf


# ---- class arguments ----------------------------------------------------------------------------


def test_configuration_class_must_be_decorated() -> None:
    """Else its fields would be no keys."""
    assert refusal(cnisdk.Plugin[Undecorated], **good()) == (
        "Bad: decorate its configuration class Undecorated with @cnisdk.config"
    )


@pytest.mark.parametrize(
    ("base", "wanted"), [(cnisdk.Plugin, "NetConf"), (cnisdk.IpamPlugin, "IpamConf")]
)
def test_configuration_class_must_be_of_the_kind(base: Any, wanted: str) -> None:
    """An IPAM plugin is configured by the section."""
    message = refusal(base[int], **good())

    assert message.startswith(f"Bad: its configuration class int must subclass cnisdk.{wanted}")


@pytest.mark.parametrize(("given", "shown"), [(("1.2.0",), "1.2.0"), ((), "no entry")])
def test_supported_versions_must_exist(given: tuple[str, ...], shown: str) -> None:
    """The known ones are listed."""
    message = refusal(keywords={"supported_versions": given}, **good())

    assert message.startswith(f"Bad: supported_versions has {shown}; choose from 0.1.0, 0.2.0")


def test_supported_versions_are_kept() -> None:
    """bandwidth, vrf and firewall do not support all seven."""
    plugin = make(keywords={"supported_versions": ("1.0.0", "1.1.0")}, **good())

    assert plugin.supported_versions == ("1.0.0", "1.1.0")


def test_capabilities_come_from_the_configuration_class() -> None:
    """What a conflist may enable."""

    @cnisdk.config
    class Capable(cnisdk.NetConf):
        mac: str = cnisdk.capability("mac", default="")
        bandwidth: str = cnisdk.capability("bandwidth", default="")

    assert make(cnisdk.Plugin[Capable], **good()).capabilities() == ("mac", "bandwidth")


def test_plugin_whose_constructor_forgets_the_sdks_still_serves() -> None:
    """`super().__init__()` is easily forgotten."""
    import io

    plugin = make(__init__=lambda self: None, **good())
    stdout = io.BytesIO()

    assert plugin().run({"CNI_COMMAND": "VERSION"}, io.BytesIO(b"{}"), stdout, io.BytesIO()) == 0
    assert b"supportedVersions" in stdout.getvalue()


def test_commands_of_the_executable(capsys):
    """The first argument chooses the function, which gets the others."""

    class WithCommand(cnisdk.Plugin[cnisdk.NetConf]):
        commands: ClassVar[Mapping[str, str]] = {"say": "json:dumps"}

        @on.add
        def attach(self, op):
            raise NotImplementedError

        @on.delete
        def detach(self, op):
            raise NotImplementedError

    assert WithCommand.run_command(["say", "a", "b"]) == '["a", "b"]'
    assert WithCommand.run_command(["sing"]) is None
    assert WithCommand.run_command([]) is None
