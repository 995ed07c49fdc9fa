"""From what a user says to the settings of a run, with a clear word about what cannot be used."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

import attrs
from attrs import field, frozen

from cni_conformance import _known, _profile
from cni_conformance._known import KnownFailures
from cni_conformance._profile import Profile
from cni_conformance._requirements import COUNTED_LEVELS, matches, requirements
from cni_conformance._versions import VERSIONS


@frozen(kw_only=True)
class Settings:
    """What to run.

    Attributes:
        plugin: The path of the executable.
        profile: How to test it.
        cni_path: Directories with other plugins.
        level: must, should or field: what counts as failure.
        versions: Spec versions to test; empty for all.
        select: Ids or globs to run; empty for all.
        skip: Ids or globs to leave out.
        generated: Whether to run generated cases too, which take most of the time.
        seed: For generated cases.
        jobs: How many cases at a time.
        known: Failures that are known.
        command: The arguments of the command line, kept in the report.
    """

    plugin: str
    profile: Profile
    cni_path: tuple[str, ...] = ()
    level: str = "must"
    versions: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    generated: bool = True
    seed: int = 0
    jobs: int = 1
    known: KnownFailures = field(factory=KnownFailures)
    command: tuple[str, ...] = ()


class UsageError(Exception):
    """What was asked for cannot be done; the message says what to write instead."""


def make(
    plugin: str,
    *,
    config: str | None = None,
    profile: str | None = None,
    cni_path: Sequence[str] = (),
    level: str = "must",
    versions: Sequence[str] = (),
    select: Sequence[str] = (),
    skip: Sequence[str] = (),
    generated: bool = True,
    seed: int | None = None,
    jobs: int | None = None,
    known_failures: str | None = None,
    command: Sequence[str] = (),
) -> Settings:
    """Check the arguments of a run, and read the files they name.

    Raises:
        UsageError: One of them cannot be used.
    """
    path = _executable(plugin)
    try:
        chosen = _profile_of(path, config, profile)
        known = _known.load(known_failures) if known_failures else KnownFailures()
    except (_profile.ProfileError, _known.KnownFailuresError) as failure:
        raise UsageError(str(failure)) from failure
    _check(level in COUNTED_LEVELS, f"level {level!r}: known are {', '.join(COUNTED_LEVELS)}")
    for version in versions:
        _check(version in VERSIONS, f"spec version {version!r}: known are {', '.join(VERSIONS)}")
    for pattern in (*select, *skip):
        named = any(matches(name, pattern) for name in requirements())
        _check(named, f"no requirement matches {pattern!r}; see cni-conformance list")
    for folder in cni_path:
        _check(os.path.isdir(folder), f"--cni-path {folder}: there is no such directory")
    _check(jobs is None or jobs > 0, f"jobs must be at least 1, not {jobs}")
    return Settings(
        plugin=path,
        profile=chosen,
        cni_path=tuple(os.path.abspath(folder) for folder in cni_path),
        level=level,
        versions=tuple(versions),
        select=tuple(select),
        skip=tuple(skip),
        generated=generated,
        seed=seed or 0,
        jobs=jobs or available_jobs(),
        known=known,
        command=tuple(command),
    )


def _check(condition: object, message: str) -> None:
    if not condition:
        raise UsageError(message)


def _executable(plugin: str) -> str:
    found = plugin if os.sep in plugin or os.path.exists(plugin) else shutil.which(plugin)
    _check(found and os.path.exists(found), f"{plugin}: there is no such file")
    path = os.path.abspath(str(found))
    _check(os.path.isfile(path), f"{path} is not a file")
    _check(os.access(path, os.X_OK), f"{path} is not executable: chmod +x {path}")
    return path


def _profile_of(plugin: str, config: str | None, profile: str | None) -> Profile:
    name = os.path.basename(plugin)
    if profile is not None:
        chosen = _profile.load(profile)
    elif name in _profile.built_in():
        chosen = _profile.load(name)
        if config is not None:  # what the built-in one prepares belongs to its configurations
            chosen = attrs.evolve(
                chosen, setup=(), requires=(), unavailable=(), invalid=(), small=(), delegate=""
            )
    else:
        chosen = Profile(name="")
    if config is not None:
        configuration = _profile.from_file(config, name)
        chosen = attrs.evolve(chosen, configurations=(configuration,))
    return chosen


def available_jobs() -> int:
    """How many cases at a time suit this machine: one more than it has processors, as some wait."""
    return len(os.sched_getaffinity(0)) + 1
