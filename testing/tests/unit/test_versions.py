"""The seven versions of the specification."""

import pytest

from cnisdk import errors, versions


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("1.1.0", (1, 1, 0)),
        ("", (0, 1, 0)),
        ("1", (1, 0, 0)),
        ("0.4", (0, 4, 0)),
        ("10.20.30", (10, 20, 30)),
    ],
)
def test_version_is_parsed(text: str, parsed: tuple[int, int, int]) -> None:
    """T: ParseVersion valid / empty / malformed: the first two."""
    assert versions.parse(text) == parsed


@pytest.mark.parametrize(
    "text", ["1.1.0.0", "a", "1.", ".1", "1..0", "-1.0.0", "1.1.0-rc1", " 1.0.0", "²", "9" * 5000]
)
def test_malformed_version_is_refused(text: str) -> None:
    """T: ParseVersion malformed."""
    with pytest.raises(ValueError):
        versions.parse(text)


@pytest.mark.parametrize(
    ("version", "floor", "expected"),
    [
        ("1.1.0", "1.1.0", True),
        ("1.0.0", "1.1.0", False),
        ("1.1.0", "1.0.0", True),
        ("0.10.0", "0.4.0", True),
        ("", "0.1.0", True),
        ("0.3.1", "0.4.0", False),
    ],
)
def test_versions_compare_by_number(version: str, floor: str, expected: bool) -> None:
    """T: >= comparisons incl. equality."""
    assert versions.at_least(version, floor) is expected


@pytest.mark.parametrize(("version", "floor"), [("x", "1.0.0"), ("1.0.0", "x")])
def test_comparison_with_a_malformed_version_is_refused(version: str, floor: str) -> None:
    """T: >= comparisons incl. malformed input."""
    with pytest.raises(ValueError):
        versions.at_least(version, floor)


def test_verbs_came_with_their_versions() -> None:
    """CHECK since 0.4.0, GC and STATUS since 1.1.0, many addresses since 0.3.0."""
    assert [v for v in versions.ALL if versions.has_check(v)] == ["0.4.0", "1.0.0", "1.1.0"]
    assert [v for v in versions.ALL if versions.has_gc(v)] == ["1.1.0"]
    assert [v for v in versions.ALL if versions.has_status(v)] == ["1.1.0"]
    assert [v for v in versions.ALL if not versions.has_many_addresses(v)] == ["0.1.0", "0.2.0"]


def test_old_versions_refuse_two_addresses_of_a_family() -> None:
    """In the words of the Go plugins."""
    versions.refuse_many_addresses("0.2.0", [4, 6])
    versions.refuse_many_addresses("0.3.0", [4, 6, 6])
    with pytest.raises(errors.InvalidConfig) as refused:
        versions.refuse_many_addresses("0.2.0", iter([6, 4, 6]))

    assert refused.value.msg == "CNI version 0.2.0 does not support more than 1 address per family"
    assert refused.value.hint.startswith("there are 2 of IPv6")
