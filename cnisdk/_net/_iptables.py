"""The iptables programs: one ``iptables-save`` to read, one ``iptables-restore`` to write.

For configurations that ask for iptables, and for cleaning up after them. Never one process per rule
(plugins#510: hundreds of DELs at once, each with dozens of ``iptables`` processes queueing for one
lock, run into the runtime's time limit).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import TYPE_CHECKING, TypeVar

import attrs

from cnisdk import errors
from cnisdk._net._nft_decode import network_text
from cnisdk._net._programs import Finished, run_program


if TYPE_CHECKING:
    from cnisdk._deadline import Deadline

_LONGEST_WAIT = 30
_LOCK_HELD = 4  # iptables: RESOURCE_PROBLEM
_T = TypeVar("_T")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')


@attrs.frozen
class NatRule:
    """A rule as ``iptables-save`` prints it."""

    chain: str
    comment: str
    text: tuple[str, ...]
    """In nft's words, as `_nft_wire.WireRule` has it."""
    line: str
    """The rule without ``-A``, to be repeated after ``-D``."""


@attrs.frozen
class NatTable:
    """What ``iptables-save`` printed of a table."""

    chains: frozenset[str]
    rules: tuple[NatRule, ...]


def save(
    program: str,
    containing: str,
    *,
    table: str = "nat",
    netns_fd: int | None,
    deadline: Deadline | None,
) -> NatTable:
    """Read a table with one ``iptables-save``; rules only as far as they contain a text."""
    done = run_program([program, "-t", table], "", netns_fd=netns_fd, deadline=deadline)
    if done.returncode != 0:
        raise _failure(f"read the {table} table", program, done)
    return parse(done.stdout, containing, table=table)


def restore(
    program: str,
    lines: Sequence[str],
    purpose: str,
    *,
    table: str = "nat",
    netns_fd: int | None,
    deadline: Deadline | None,
) -> None:
    """Change a table with one ``iptables-restore``: all of the lines or none."""
    left = deadline.remaining() if deadline is not None else _LONGEST_WAIT
    seconds = max(1, min(int(left), _LONGEST_WAIT))
    document = "\n".join([f"*{table}", *lines, "COMMIT", ""])
    arguments = [program, "--noflush", "-w", str(seconds)]
    done = run_program(arguments, document, netns_fd=netns_fd, deadline=deadline)
    if done.returncode == _LOCK_HELD and "lock" in done.stderr:
        raise errors.TryAgainLater(
            f"could not {purpose}: another program held the xtables lock for {seconds} s",
            details=_one_line(done.stderr),
        )
    if done.returncode != 0:
        raise _failure(purpose, program, done)


def change(read: Callable[[], _T], write: Callable[[_T], None]) -> None:
    """Write what follows from what is there; read again when somebody else was faster.

    Args:
        read: Reads a table.
        write: Changes it, given what was read; refused when that is not there any more.

    Raises:
        errors.CniError: refused although nobody has changed the table.
        errors.TryAgainLater: the lock of iptables was held for too long (code 11).
    """
    before: object = None
    while True:
        found = read()
        try:
            write(found)
        except errors.TryAgainLater:
            raise
        except errors.CniError:
            if found == before:
                raise
            before = found
        else:
            return


def parse(text: str, containing: str = "", *, table: str = "nat") -> NatTable:
    """Read what ``iptables-save`` or ``ip6tables-save`` printed.

    Args:
        text: The output.
        containing: Rules without this text are skipped: kube-proxy alone may have 200,000.
        table: The table whose part is wanted.
    """
    chains: set[str] = set()
    rules: list[NatRule] = []
    current = ""
    for line in text.splitlines():
        if line.startswith("*"):
            current = line[1:].strip()
        elif current == table and line.startswith(":"):
            chains.add(line[1:].split(" ", 1)[0])
        elif current == table and line.startswith("-A ") and containing in line:
            rules.append(_rule(line[3:]))
    return NatTable(frozenset(chains), tuple(rules))


def words(line: str) -> list[str]:
    """A rule's words, quotes resolved."""
    return [
        re.sub(r"\\(.)", r"\1", match[1]) if match[2] is None else match[2]
        for match in _WORD.finditer(line)
    ]


def _rule(line: str) -> NatRule:
    chain, *options = words(line)
    comment, text, negated, protocol = "", list[str](), False, ""
    rest = iter(options)
    for word in rest:
        if word == "!":
            negated = True
            continue
        value = next(rest, "")
        if word in {"-s", "-d"}:
            text.append(_address(word, value, negated=negated))
        elif word == "--comment":
            comment = value
        elif word in {"-j", "-g"}:
            text.append(_verdict(word, value))
        elif word == "-p" and not negated:
            protocol = value
            text.append(f"meta l4proto {value}")
        elif word == "--dport" and not negated and ":" not in value:
            text = [each for each in text if each != f"meta l4proto {protocol}"]
            text.append(f"{protocol} dport == {value}")
        elif word == "--to-destination" and text[-1:] == ["jump DNAT"]:
            text[-1] = f"dnat to {value}"
        elif (word, value) not in {("-m", "comment"), ("-m", protocol)}:
            text.append(f"?{word} {value}")
        negated = False
    return NatRule(chain, comment, tuple(text), line)


def _address(option: str, value: str, *, negated: bool) -> str:
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        return f"?{option} {value}"  # a mask with holes; not ours
    family = "ip6" if network.version == 6 else "ip"
    field = "saddr" if option == "-s" else "daddr"
    return f"{family} {field} {'!=' if negated else '=='} {network_text(network)}"


def _verdict(option: str, target: str) -> str:
    if target in {"ACCEPT", "DROP", "RETURN", "MASQUERADE"}:
        return target.lower()
    return f"{'jump' if option == '-j' else 'goto'} {target}"


def _failure(purpose: str, program: str, done: Finished) -> errors.CniError:
    return errors.CniError(
        f"could not {purpose}: {_one_line(done.stderr) or f'{program} failed'}",
        details=f"{program} ended with status {done.returncode}; nothing was changed",
    )


def _one_line(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())
