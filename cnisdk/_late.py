"""Importing attrs without what attrs imports and a plugin call does not use.

``inspect`` and ``platform`` cost a fifth of an IPAM plugin's call. In a process of our own a stand-in
takes their place until somebody uses them; then the module itself is imported.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, NoReturn


def import_attrs() -> None:
    """Import attrs, the ways of which are taken into account here, and nothing of it elsewhere."""
    inspect, platform = _stand_in("inspect"), _stand_in("platform")
    # attrs asks for the signature of one converter of its own, and takes "unknown" for an answer.
    vars(inspect).setdefault("signature", _unknown)
    if sys.implementation.name == "cpython":
        vars(platform).setdefault("python_implementation", lambda: "CPython")
    try:
        __import__("attrs")
    finally:
        for module in (inspect, platform):
            if isinstance(module, _StandIn):
                module.forget()


def _stand_in(name: str) -> ModuleType:
    if name not in sys.modules:
        sys.modules[name] = _StandIn(name)
    return sys.modules[name]


def _unknown(*_: object) -> NoReturn:
    raise ValueError("inspect is not imported yet")


class _StandIn(ModuleType):
    """Stands for a module until one of its names is asked for."""

    def forget(self) -> None:
        """Answer nothing oneself any more."""
        for name in ("signature", "python_implementation"):
            vars(self).pop(name, None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module: ModuleType = __import__(self.__name__)
        # For those who hold on to the stand-in.
        vars(self).update(vars(module))
        return getattr(module, name)
