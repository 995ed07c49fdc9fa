"""Checks across the files of a configuration directory."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from cnisdk.cli._findings import Sheet, did_you_mean
from cnisdk.cli._json import as_list, as_object
from cnisdk.cli._lint_file import (
    LISTS,
    SINGLES,
    NetworkFile,
    check_drop_in,
    check_network,
    drop_ins,
)
from cnisdk.cli._types import Types


Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network


def network_files(directory: str) -> list[str]:
    """The files runtimes read from a directory, in their order; the first one wins.

    Raises:
        OSError: the directory cannot be read.
    """
    names = sorted(os.listdir(directory), key=os.fsencode)
    paths = [os.path.join(directory, name) for name in names if name.endswith(LISTS + SINGLES)]
    return [path for path in paths if not os.path.isdir(path)]


def check_directory(directory: str, types: Types) -> list[Sheet]:
    """Check every file of a directory, its drop-in directories, and how they go together."""
    sheets: list[Sheet] = []
    networks: list[NetworkFile] = []
    for path in network_files(directory):
        network, found = check_network(path, types)
        networks.append(network)
        sheets += found
    _check_order(networks)
    _check_names(networks)
    _check_subnets(networks)
    sheets += _check_drop_in_directories(directory, networks, types)
    return sheets


def _check_order(networks: list[NetworkFile]) -> None:
    numbers: dict[int, NetworkFile] = {}
    highest: tuple[int, str] = (-1, "")
    for network in networks:
        name = os.path.basename(network.sheet.file)
        match = re.match(r"(\d+)[-_.]", name)
        if match is None:
            continue
        number = int(match[1])
        same = numbers.setdefault(number, network)
        if same is not network:
            other = os.path.basename(same.sheet.file)
            message = f"it has the number of {other}, which comes first by the rest of its name"
            network.sheet.warning("file-order", (), message, "give every file its own number")
        if number < highest[0]:
            message = f"{name} comes after {highest[1]}: names are compared as text, not as numbers"
            network.sheet.warning(
                "file-order", (), message, "write all numbers with as many digits"
            )
        highest = max(highest, (number, name))


def _check_names(networks: list[NetworkFile]) -> None:
    # By name, lists are searched before single configurations.
    first: dict[str, NetworkFile] = {}
    for network in sorted(networks, key=lambda each: not each.sheet.file.endswith(LISTS)):
        if not network.name:
            continue
        owner = first.setdefault(network.name, network)
        if owner is not network:
            message = f'network "{network.name}" is defined in {owner.sheet.file} already'
            hint = "only that one is found by this name"
            network.sheet.warning("duplicate-name", ("name",), message, hint)


def _check_subnets(networks: list[NetworkFile]) -> None:
    seen: list[tuple[Subnet, NetworkFile]] = []
    for network in networks:
        for subnet in _subnets(network):
            for other, owner in seen:
                if owner.name != network.name and _overlap(subnet, other):
                    message = f'{subnet} overlaps with {other} of network "{owner.name}"'
                    hint = f"both hand out the same addresses; see {owner.sheet.file}"
                    network.sheet.warning("overlapping-subnets", ("name",), message, hint)
            seen.append((subnet, network))


def _overlap(one: Subnet, other: Subnet) -> bool:
    return one.version == other.version and one.overlaps(other)


def _subnets(network: NetworkFile) -> Iterator[Subnet]:
    for plugin in network.plugins:
        ipam = as_object(plugin.get("ipam"))
        # Each network has its own reservations, so that nothing keeps them apart.
        if ipam.get("type") != "host-local":
            continue
        given: list[Any] = [ipam]
        for group in as_list(ipam.get("ranges")):
            given += as_list(group)
        for each in given:
            subnet = as_object(each).get("subnet")
            if isinstance(subnet, str):
                with suppress(ValueError):
                    yield ipaddress.ip_network(subnet, strict=False)


def _check_drop_in_directories(
    directory: str, networks: list[NetworkFile], types: Types
) -> Iterator[Sheet]:
    by_name: dict[str, NetworkFile] = {}
    for each in sorted(networks, key=lambda each: not each.uses_drop_ins):
        if each.name:
            by_name.setdefault(each.name, each)
    for name in sorted(os.listdir(directory), key=os.fsencode):
        path = os.path.join(directory, name)
        if not os.path.isdir(path) or name.startswith("."):
            continue
        network = by_name.get(name)
        sheet = Sheet(path)
        if network is None:
            hint = did_you_mean(name, by_name) or "a drop-in directory has the name of a network"
            sheet.warning(
                "drop-in", (), f'there is no network "{name}", so nothing here is used', hint
            )
            for file in drop_ins(path):
                nowhere = NetworkFile(Sheet(""), plugins=[{}])
                yield check_drop_in(os.path.join(path, file), nowhere, "", types)
        elif not network.uses_drop_ins:
            reason = (
                'its network has "loadOnlyInlinedPlugins": true'
                if "plugins" in network.document
                else "its network is a single configuration, not a list"
            )
            sheet.warning("drop-in", (), f"nothing here is used: {reason}")
        for other in sorted(set(os.listdir(path)) - set(drop_ins(path))):
            if other.endswith((".conflist", ".json")):
                message = f"{other} is not used: drop-ins are *.conf"
                sheet.warning("drop-in", (), message, "rename it")
        yield sheet
