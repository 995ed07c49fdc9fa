"""Hypothesis strategies for what a plugin is given: names, arguments, configurations, results.

Imported by generated cases alone: Hypothesis is an extra.
"""

from __future__ import annotations

import copy
import json
import string
from typing import Any

from hypothesis import strategies as st

from cni_conformance import _results


Json = dict[str, Any]
Path = tuple[str | int, ...]
Strategy = st.SearchStrategy

_ALNUM = string.ascii_letters + string.digits
# Of all of Unicode Hypothesis would first make tables, for two seconds in each process.
_ANY = string.printable + "\x00\x7f\x85éßİ日本\u0301\u202e\ufeff\ufffd\U0001f980"
LONGEST_ID = 128
LONGEST_IFNAME = 15


# -- names -----------------------------------------------------------------------------------------


def container_ids() -> Strategy[str]:
    """What the specification allows, from one character to far more than runtimes send."""
    rest = st.text(_ALNUM + "_.-", max_size=LONGEST_ID - 1)
    usual = st.text("0123456789abcdef", min_size=64, max_size=64)
    odd = ["0", "Z", "a..b", "x-", "x.", "A_-.", "9" * LONGEST_ID, "a" + "-" * 63]
    free = st.builds("".join, st.tuples(st.sampled_from(_ALNUM), rest))
    return st.one_of(free, usual, st.sampled_from(odd))


def alike(container_id: str) -> Strategy[str]:
    """Another valid id, of the kind that is taken for the first by a careless comparison."""
    forms = {
        container_id + "0",
        container_id + ".",
        container_id[:-1] or "y",
        container_id.swapcase(),
        container_id.replace(".", "-"),
        container_id.replace("_", "."),
        container_id[::-1] if container_id[-1] in _ALNUM else container_id + "x",
    }
    allowed = {form for form in forms if 0 < len(form) <= LONGEST_ID and form[0] in _ALNUM}
    return st.sampled_from(sorted(allowed - {container_id}))


def invalid_container_ids() -> Strategy[str]:
    """What the specification forbids, as far as an environment variable can hold it."""
    bad_start = st.builds(
        "".join, st.tuples(st.sampled_from("-_./ é"), st.text(_ALNUM + "_.-", max_size=20))
    )
    bad_inside = st.builds(
        "".join,
        st.tuples(st.sampled_from(_ALNUM), st.sampled_from("/ \n;$é*\\"), st.text(_ALNUM)),
    )
    return st.one_of(bad_start, bad_inside, st.just(""))


def network_names() -> Strategy[str]:
    """Valid by the same rule as container ids."""
    return st.builds(
        "".join,
        st.tuples(st.sampled_from(_ALNUM), st.text(_ALNUM + "_.-", max_size=40)),
    )


def interface_names() -> Strategy[str]:
    """Names Linux allows; no `%`, which the kernel takes as a pattern."""
    usual = st.sampled_from(["eth0", "net1", "a", "e" * LONGEST_IFNAME])
    odd = st.sampled_from(
        ["-eth0", "--help", "e;th", "e'th", "é0", "日本語", "0", "...", "a@b", "eth0.100", "$HOME"]
    )
    legal = [char for char in map(chr, range(33, 127)) if char not in "/:%"]
    free = st.text(legal, min_size=1, max_size=LONGEST_IFNAME).filter(
        lambda name: name not in {".", "..", "lo", "all", "default"}
    )
    return st.one_of(usual, odd, free)


def invalid_interface_names() -> Strategy[str]:
    """Names Linux does not allow."""
    return st.one_of(
        st.sampled_from([".", "..", "a/b", "a b", "a\tb", "a:b"]),
        st.text(_ALNUM, min_size=LONGEST_IFNAME + 1, max_size=40),
    )


def arguments() -> Strategy[str]:
    """CNI_ARGS as runtimes send it; IgnoreUnknown, since a plugin may refuse what it does not know."""
    key = st.text(string.ascii_uppercase + "_", min_size=1, max_size=12).filter(
        lambda name: name not in {"IP", "MAC", "GATEWAY"}  # which plugins do know
    )
    value = st.text(_ALNUM + "-._/", max_size=20)
    pairs = st.dictionaries(key, value, max_size=4)
    return pairs.map(
        lambda each: ";".join(["IgnoreUnknown=1", *(f"{key}={each[key]}" for key in each)])
    )


def malformed_arguments() -> Strategy[str]:
    """CNI_ARGS that is no list of pairs."""
    return st.sampled_from(
        [";", "=", "a", "a;b", "IgnoreUnknown", "=1;", "a=b;c", "IgnoreUnknown=x"]
    )


# -- configurations --------------------------------------------------------------------------------

_STRINGS = [
    "",
    " ",
    "0",
    "-1",
    "true",
    "%s%n",
    "--help",
    "é 日本語",
    "\x00",
    "\ud800",
    "a" * 300,
    "10.0.0.0/33",
    "999.1.1.1/24",
    "fe80::/129",
]
_NUMBERS = [0, -1, 1, 65536, 2**31, 2**32, -(2**63), 2**64, 10**30, 0.5, -1e300]


def _nested(depth: int) -> Json:
    document: Json = {}
    for _ in range(depth):
        document = {"a": [document]}
    return document


def junk() -> Strategy[Any]:
    """A JSON value that most likely has no business where it is put."""
    scalars = st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from(_NUMBERS),
        st.sampled_from(_STRINGS),
        st.text(_ANY, max_size=12),
    )
    return st.one_of(
        scalars,
        st.just([]),
        st.just({}),
        st.lists(scalars, min_size=1, max_size=3),
        st.dictionaries(st.text(_ANY, max_size=8), scalars, min_size=1, max_size=3),
        st.sampled_from([100]).map(_nested),
    )


def paths(document: Any, *, kept: tuple[str, ...] = ()) -> list[Path]:
    """Where something stands in a document: keys and indexes from the top.

    Args:
        document: Objects, lists and scalars.
        kept: Keys at the top which are left out.
    """
    found: list[Path] = []
    if isinstance(document, dict):
        entries: list[tuple[str | int, Any]] = [
            (key, value) for key, value in document.items() if key not in kept
        ]
    elif isinstance(document, list):
        entries = list(enumerate(document))
    else:
        return []
    for key, value in entries:
        found.append((key,))
        found += [(key, *below) for below in paths(value)]
    return found


@st.composite
def mutated(draw: st.DrawFn, document: Json, *, kept: tuple[str, ...] = ()) -> Json:
    """A document with one or two things changed: a key dropped, a value replaced, a key added."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 2))):
        places = paths(changed, kept=kept)
        action = draw(st.sampled_from(["replace", "drop", "add"]))
        if action == "add" or not places:
            changed[
                draw(st.text(_ANY, min_size=1, max_size=10).filter(lambda key: key not in kept))
            ] = draw(junk())
            continue
        *above, last = draw(st.sampled_from(places))
        holder: Any = changed
        for key in above:
            holder = holder[key]
        if action == "drop":
            del holder[last]
        else:
            holder[last] = draw(junk())
    return changed


def configurations(config: Json, schema: Json | None) -> Strategy[Json]:
    """Request configurations: changed ones, and where there is a JSON Schema ones made from it.

    Args:
        config: One that works.
        schema: Of the plugin's own keys.
    """
    changed = mutated(config)
    if schema is None:
        return changed
    from cni_conformance._json_schema import matching

    fixed: Json = {key: config[key] for key in ("cniVersion", "name", "type") if key in config}
    made = matching(schema).map(
        lambda value: {**value, **fixed} if isinstance(value, dict) else config
    )
    return st.one_of(made, changed)


def malformed() -> Strategy[bytes]:
    """Standard input that is no JSON object."""
    cut = json.dumps({"cniVersion": "1.0.0", "name": "n", "type": "t", "ipam": {"a": [1, None]}})
    return st.one_of(
        st.integers(0, len(cut) - 1).map(lambda end: cut[:end].encode()),
        st.binary(max_size=40),
        st.text(_ANY, max_size=40).map(lambda text: text.encode("utf-8", "replace")),
        st.sampled_from([b"[]", b'"text"', b"17", b"true", b"{}{", b"\xff\xfe{}", b"{'a': 1}"]),
    ).filter(_is_no_object)


def _is_no_object(data: bytes) -> bool:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        # An object with bytes that are not UTF-8 in it may be read all the same.
        return not data.strip().endswith(b"}")
    return not isinstance(document, dict) and document is not None


# -- results ---------------------------------------------------------------------------------------


@st.composite
def results(draw: st.DrawFn, version: str) -> Json:
    """A result of an IPAM plugin as a version of the specification has it."""
    hosts = draw(st.lists(st.integers(2, 60000), min_size=1, max_size=3, unique=True))
    ips: list[Json] = []
    for host in hosts:
        six = draw(st.booleans())
        address = f"2001:db8:88::{host:x}/64" if six else f"10.88.{host // 256}.{host % 256}/16"
        gateway = "2001:db8:88::1" if six else "10.88.0.1"
        ips.append({"address": address, **({"gateway": gateway} if draw(st.booleans()) else {})})
    destinations = ["0.0.0.0/0", "203.0.113.0/24", "2001:db8:99::/48"]
    wanted = draw(st.lists(st.sampled_from(destinations), unique=True))
    dns = draw(st.sampled_from([{}, {"nameservers": ["10.88.0.53"], "domain": "example.net"}]))
    result = {"ips": ips, "routes": [{"dst": each} for each in wanted], "dns": dns}
    return _results.in_version(result, version)


@st.composite
def previous_results(draw: st.DrawFn, version: str, netns: str, ifname: str) -> Json:
    """A prevResult as a version of the specification has it."""
    result = draw(results(version))
    if "ips" in result:
        result["interfaces"] = [
            {"name": "veth0", "mac": "02:00:00:00:00:01"},
            {"name": ifname, "mac": "02:00:00:00:00:02", "sandbox": netns},
        ]
        result["ips"] = [{**ip, "interface": 1} for ip in result["ips"]]
    return result


_NO_ADDRESSES = ["", "abc", "300.1.2.3/24", "10.88.0.9/33", "10.88.0.9/x", "::g/64", 5, {}, []]


def nonsense_results(version: str, *, applied: bool) -> Strategy[str]:
    """What a delegate may print that no plugin can take for a result.

    Args:
        version: The cniVersion of the request.
        applied: Whether the plugin has to apply the addresses, and cannot pass nonsense on unread.
    """
    texts = st.sampled_from(["OK\n", "{", "[]", '"done"', "17", "<html>", '{"ips": [', "\x00"])
    if not applied:
        return texts
    wrong = st.sampled_from(_NO_ADDRESSES)
    documents = wrong.map(
        lambda address: json.dumps(
            _results.in_version({"ips": [{"address": "10.88.0.9/16"}]}, version)
        ).replace('"10.88.0.9/16"', json.dumps(address))
    )
    return st.one_of(texts, documents)


def doubtful_results(version: str) -> Strategy[str]:
    """Results of a delegate with something changed in them: some plugins make do with that."""
    base = {
        "ips": [{"address": "10.88.0.9/16", "gateway": "10.88.0.1"}],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dns": {"nameservers": ["10.88.0.53"]},
    }
    return mutated(_results.in_version(base, version)).map(json.dumps)
