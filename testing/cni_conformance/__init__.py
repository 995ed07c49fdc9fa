"""A conformance suite for CNI plugins: any executable, in any language.

On the command line: `cni-conformance run PLUGIN`. From Python: `run(PLUGIN)`. With pytest:
`pytest --cni-plugin=PLUGIN -p cni_conformance`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    from cni_conformance._outcome import Report

__all__ = ["run"]

# For `pytest -p cni_conformance`; named here, since it imports pytest.
pytest_plugins = ("cni_conformance.pytest_plugin",)


def run(
    plugin: str,
    *,
    config: str | None = None,
    profile: str | None = None,
    cni_path: list[str] | None = None,
    level: str = "must",
    **options: Any,
) -> Report:
    """Test a plugin.

    Args:
        plugin: The path of the executable.
        config: The path of a network configuration or a list with the plugin in it.
        profile: The name of a built-in profile, or the path of one.
        cni_path: Directories with other plugins.
        level: must, should or field: failures below it are warnings.
        options: `versions`, `select`, `skip` (lists of str), `generated` (bool), `seed`, `jobs` (int),
            `known_failures` (a path).

    Returns:
        What was found; `Report.of_status(Status.FAIL)` are the failures.

    Raises:
        UsageError: Plugin, configuration or profile cannot be used.
        HarnessError: The suite cannot work on this machine.
    """
    from cni_conformance import _engine, _settings

    settings = _settings.make(
        plugin, config=config, profile=profile, cni_path=cni_path or [], level=level, **options
    )
    return _engine.run(settings)
