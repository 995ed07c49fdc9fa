"""Whether a target is a plugin a launcher can start; runs in the interpreter the launcher will use."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from cnisdk import versions
from cnisdk._plugin import ChainedPlugin, IpamPlugin, Plugin


if TYPE_CHECKING:
    from cnisdk._schema import PluginClass


def main() -> None:
    """Read targets and places to look in from stdin, print a verdict on each."""
    question = json.load(sys.stdin)
    stdout, sys.stdout = sys.stdout, sys.stderr
    verdicts = [_verdict(target, question["places"]) for target in question["targets"]]
    json.dump(verdicts, stdout)


def _verdict(target: str, places: Sequence[str]) -> dict[str, Any]:
    from cnisdk._launcher import load

    module = target.partition(":")[0]
    try:
        plugin = load(target)
    except ModuleNotFoundError as failure:
        top = module.partition(".")[0]
        place = next((each for each in places if _holds(each, top)), None)
        if failure.name == top and place is not None and "@" not in target:
            return _verdict(f"{target}@{place}", places)
        hint = f"install it for {sys.executable}, or go to the directory it is in"
        return {"problem": str(failure), "hint": hint}
    except BaseException as failure:  # noqa: BLE001  # whatever importing somebody's module may raise
        return {"problem": f"importing {module} fails: {type(failure).__name__}: {failure}"}
    return {"target": target, **_class_verdict(plugin)}


def _holds(place: str, module: str) -> bool:
    return os.path.isfile(os.path.join(place, f"{module}.py")) or os.path.isdir(
        os.path.join(place, module)
    )


def _class_verdict(plugin: Any) -> dict[str, Any]:
    kinds = (Plugin, ChainedPlugin, IpamPlugin)
    if not isinstance(plugin, type) or not any(each in plugin.__mro__ for each in kinds):
        hint = "subclass cnisdk.Plugin, cnisdk.ChainedPlugin or cnisdk.IpamPlugin"
        return {"problem": f"{plugin!r} is no plugin class", "hint": hint}
    cls = cast("PluginClass", plugin)
    if not cls.handlers:
        return {
            "problem": "it handles no verb",
            "hint": "add methods marked @on.add and @on.delete",
        }
    stdout, stderr = BytesIO(), BytesIO()
    try:
        status = cls().run({"CNI_COMMAND": "VERSION"}, BytesIO(b"{}"), stdout, stderr)
    except Exception as failure:  # noqa: BLE001  # the constructor is the author's
        return {"problem": f"it cannot be made: {type(failure).__name__}: {failure}"}
    if status != 0:
        return {"problem": f"it does not answer VERSION: {stderr.getvalue().decode()}"}
    supported = [each for each in versions.ALL if each in cls.supported_versions]
    return {"kind": cls.kind, "versions": supported}
