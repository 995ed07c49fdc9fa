"""What the field has learned about delegates that are missing or broken."""

from __future__ import annotations

import os
from typing import Any

from cni_conformance._case import case
from cni_conformance._delegate import FAKE_IPAM
from cni_conformance._testbed import BASE, Testbed


Json = dict[str, Any]

_ABSENT = "conformance-absent"


@case("field/delegate/1", delegating=True)
def missing_delegate_is_named(testbed: Testbed) -> None:
    """The error about a delegate that does not exist names it and where it was looked for."""
    testbed.attached("plain").delete()
    extra = f"{BASE}/nothing-here"
    os.makedirs(extra)
    folders = [testbed.delegate.bin, extra, *testbed.cni_path]
    call = testbed.attachment("missing").add(
        patch=testbed.with_delegate(_ABSENT), env={"CNI_PATH": os.pathsep.join(folders)}
    )
    if call.ok:
        testbed.block("needs an ADD that fails when its delegate does not exist")
    missing = [each for each in (_ABSENT, *folders) if each not in call.message]
    testbed.expect(
        "field/delegate/1",
        not missing,
        expected=f"the error names {_ABSENT} and each directory of CNI_PATH",
        actual=f"not in the error: {', '.join(missing)}; it says {call.message!r}",
    )


@case("field/delegate/2", delegating=True)
def broken_delegate_is_named(testbed: Testbed) -> None:
    """A delegate that prints garbage, dies or floods standard error becomes a clear error."""
    testbed.use_fake_ipam()
    testbed.attached("plain").delete()
    broken: dict[str, Json] = {
        "prints what is no JSON": {"stdout": "panic: runtime error {\n"},
        "prints half of a result": {"stdout": '{"cniVersion": "1.0.0", "ips": [{"addr'},
        "is killed by SIGSEGV": {"stdout": "", "signal": 11},
        "floods standard error and exits with 1": {"stdout": "", "flood": 1_048_576, "exit": 1},
    }
    for number, (what, behaviour) in enumerate(broken.items()):
        attachment = testbed.attachment(f"broken{number}")
        testbed.script_delegate("ADD", **behaviour)
        call = attachment.add(limit=20)
        clear = not call.ok and call.explains_itself and FAKE_IPAM in call.message
        testbed.expect(
            "field/delegate/2",
            clear,
            expected=f"when the delegate {what}, ADD fails with an error that names {FAKE_IPAM}",
            actual=call,
        )
