"""Every requirement is tested, or says why it cannot be; every case speaks of requirements."""

import pytest

from cni_conformance._case import Case, case, cases
from cni_conformance._requirements import matches, requirements
from cni_conformance._versions import VERSIONS, has_command


TESTED = {name for each in cases().values() for name in each.ids}


@pytest.mark.parametrize("name", list(requirements()))
def test_requirement_has_a_case_or_a_reason(name: str) -> None:
    requirement = requirements()[name]

    assert (name in TESTED) != bool(requirement.untestable)


@pytest.mark.parametrize("each", cases().values(), ids=list(cases()))
def test_case_speaks_of_requirements_it_can_meet(each: Case) -> None:
    assert each.title
    assert each.ids
    rows = [requirements()[name] for name in each.ids]
    for row in rows:
        kinds = set(each.kinds or row.kinds) & set(row.kinds)
        assert kinds, f"{row.id} binds {row.kinds}, the case is about {each.kinds}"
        versions = [
            version
            for version in VERSIONS
            if all(has_command(version, command) for command in each.commands)
            and any(row.binds(kind=kind, version=version) for kind in kinds)
        ]
        assert versions, f"{row.id} binds no version that has {each.commands}"


def test_an_unknown_requirement_is_a_mistake_of_the_suite() -> None:
    with pytest.raises(LookupError, match="spec/9/none"):

        @case("spec/9/none")
        def nothing(testbed: object) -> None:
            """Never runs."""


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("spec/1.1.0/DEL/6", True),
        ("spec/1.1.0/DEL", True),
        ("spec/1.1.0/DEL/", True),
        ("spec/*/DEL", True),
        ("*/6", True),
        ("spec/1.1.0/DEL/66", False),
        ("spec/1.1.0/D", False),
        ("field", False),
    ],
)
def test_ids_are_chosen_by_id_section_or_glob(pattern: str, meant: bool) -> None:
    assert matches("spec/1.1.0/DEL/6", pattern) is meant
