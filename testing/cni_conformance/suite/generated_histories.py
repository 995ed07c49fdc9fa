"""Attachments that come and go in any order, as a model says."""

from __future__ import annotations

from cni_conformance._case import case
from cni_conformance._examples import Examples, prepare
from cni_conformance._testbed import Testbed


@case(
    "spec/1.1.0/ADD/2",
    "spec/1.1.0/DEL/1",
    "spec/1.1.0/DEL/3",
    "spec/1.1.0/DEL/4",
    "spec/1.1.0/DEL/5",
    "spec/1.1.0/DEL/6",
    "spec/1.1.0/CHECK/6",
    "spec/1.1.0/GC/1",
    "spec/1.1.0/GC/2",
    "spec/1.1.0/GC/3",
    "spec/1.1.0/STATUS/1",
    "spec/1.1.0/concurrency/1",
    "spec/1.1.0/delegation/10",
    "field/check/1",
    "field/del/6",
    "field/gc/2",
    "field/status/1",
    generated=True,
)
def attachments_follow_the_model(testbed: Testbed) -> None:
    """Attachments come and go in any order, on two networks, and each is as a model says."""
    prepare()
    from cni_conformance import _model, _world

    examples = Examples(testbed=testbed, count=5, steps=18)
    examples.of_machine(_model.machine(_world.World.of(examples)))
