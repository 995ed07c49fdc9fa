"""Finding networks in files: ``.conflist``, the older ``.conf`` and ``.json``, drop-in directories."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from typing import Any, Final

import attrs

from cnisdk import errors
from cnisdk._names import check_network_name
from cnisdk.runtime._failures import NetworkNotFound
from cnisdk.runtime._network import (
    LoadWarning,
    NetworkList,
    PluginConf,
    decode_object,
    folded,
    network_name,
    network_of,
    network_of_single,
    plugin_of,
)


DEFAULT_CONF_DIR: Final = "/etc/cni/net.d"
_LISTS: Final = (".conflist",)
_SINGLES: Final = (".conf", ".json")
_LARGEST: Final = 16 << 20


@attrs.frozen
class Loaded:
    """What a configuration directory holds."""

    networks: tuple[NetworkList, ...]
    """The networks in the order they are searched: lists, then single configurations."""
    warnings: tuple[LoadWarning, ...]
    """Files that are not among them, and why."""


def load(path: str) -> NetworkList:
    """Load the network of one file.

    Args:
        path: A ``.conflist``, or a ``.conf`` or ``.json`` with a single plugin configuration; any
            other name is read as a list when it has ``plugins``.

    Raises:
        errors.IoFailure: the file cannot be read (code 5).
        errors.CniError: what it holds is wrong; the message names file and key.
    """
    document = _document(path)
    if path.endswith(_SINGLES) and folded(document, "plugins") is None:
        return network_of_single(document, path)
    return _with_drop_ins(document, path)


def parse(content: bytes, source: str = "network configuration") -> NetworkList:
    """Read a network list, or a single plugin configuration, from memory.

    Args:
        content: A JSON document.
        source: What to call it in messages.
    """
    document = decode_object(content, source)
    if folded(document, "plugins") is None and folded(document, "type") is not None:
        return network_of_single(document, source)
    return network_of(document, source)


def load_named(conf_dir: str, name: str) -> NetworkList:
    """Load a network by its name from a directory, lists before single configurations.

    A file that cannot be read does not hide the others: it is in the network's ``warnings``.

    Raises:
        NetworkNotFound: no file has a network of this name.
        errors.CniError: the network's own file or a file of its drop-in directory is wrong.
    """
    check_network_name(name)
    warnings: list[LoadWarning] = []
    paths = _files(conf_dir, *_LISTS) + _files(conf_dir, *_SINGLES)
    for path in paths:
        try:
            document = _candidate(path)
            if network_name(document, path) != name:
                continue
        except errors.CniError as failure:
            warnings.append(_passed_over(path, failure))
            continue
        # From here on it is the network that was asked for: what is wrong with it is an error, not
        # a reason to use another file of the same name.
        return attrs.evolve(_network(document, path), warnings=tuple(warnings))
    if not paths:
        raise NetworkNotFound(
            f"no net configurations found in {conf_dir}",
            details="a network is a file such as 10-mynet.conflist there",
        )
    raise NetworkNotFound(
        f'no net configuration with name "{name}" in {conf_dir}',
        details="; ".join(f"passed over {each}" for each in warnings),
    )


def load_all(conf_dir: str) -> Loaded:
    """Load every network of a directory; what cannot be loaded is reported, not raised."""
    networks: dict[str, NetworkList] = {}
    warnings: list[LoadWarning] = []
    for path in _files(conf_dir, *_LISTS) + _files(conf_dir, *_SINGLES):
        try:
            network = _network(_candidate(path), path)
        except errors.CniError as failure:
            warnings.append(_passed_over(path, failure))
            continue
        first = networks.setdefault(network.name, network)
        if first is not network:
            message = f'hidden: network "{network.name}" is defined in {first.source} already'
            warnings.append(LoadWarning(path, message))
    return Loaded(tuple(networks.values()), tuple(warnings))


def _candidate(path: str) -> dict[str, Any]:
    document = _document(path)
    if path.endswith(_SINGLES) and folded(document, "plugins") is not None:
        raise errors.InvalidConfig(
            f"{path}: holds a list of plugins, which is read from *.conflist only",
            details="rename it",
        )
    return document


def _network(document: dict[str, Any], path: str) -> NetworkList:
    if path.endswith(_SINGLES):
        return network_of_single(document, path)
    return _with_drop_ins(document, path)


def _with_drop_ins(document: dict[str, Any], path: str) -> NetworkList:
    """Append the plugins of the sibling directory that has the network's name (SPEC section 1)."""
    directory = os.path.join(os.path.dirname(path), network_name(document, path))
    return network_of(document, path, _dropped_in(directory))


def _dropped_in(directory: str) -> Generator[PluginConf]:
    for path in _files(directory, ".conf"):
        # One that cannot be read is an error: a chain must not start without its firewall.
        yield plugin_of(_document(path), path)


def _passed_over(path: str, failure: errors.CniError) -> LoadWarning:
    return LoadWarning(path, str(failure).removeprefix(f"{path}: "))


def _files(directory: str, *extensions: str) -> list[str]:
    """The files of a directory in the order of their names' bytes; [] when it is missing."""
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as failure:
        raise errors.IoFailure(f"cannot list {directory}: {failure.strerror}") from failure
    paths = [os.path.join(directory, name) for name in sorted(names, key=os.fsencode)]
    return [path for path in paths if path.endswith(extensions) and not os.path.isdir(path)]


def _document(path: str) -> dict[str, Any]:
    return decode_object(_content(path), path)


def _content(path: str) -> bytes:
    try:
        # O_NONBLOCK: a FIFO of that name must not hang the runtime.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise errors.IoFailure(f"{path}: not a regular file")
            content = file.read(_LARGEST + 1)
    except OSError as failure:
        raise errors.IoFailure(f"error reading {path}: {failure.strerror}") from failure
    if len(content) > _LARGEST:
        raise errors.IoFailure(f"{path}: larger than {_LARGEST >> 20} MiB")
    return content
