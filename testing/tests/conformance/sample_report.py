"""A report to look at: every status, a real transcript, and a plugin that prints the worst it can.

Run as a program, it writes all forms of the report into a directory.
"""

from __future__ import annotations

import json
import sys

import attrs

from cni_conformance._outcome import PluginUnderTest, Report, Result, Status, Step
from cni_conformance._requirements import requirements


SCRIPT = '</script><script>document.title = "pwned"</script>'
HOSTILE = (
    '<script>document.title = "pwned"</script>',
    SCRIPT,
    '"><img src=x onerror="document.title=\'pwned\'">',
    "<!--<script>",
    "bytes \ufffd\ufffd that were no text",
    "escape \x1b[31mred\x1b]0;title\x07 \x9b2J nul \x00 bell \x08\x08\x08",
    "half \udce9 a pair",
    "line\u2028separator, \u202eright to left",
    "]]> &amp; & ${x} $style $$",
)

_ENV = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "conformance-c1",
    "CNI_IFNAME": "eth0",
    "CNI_NETNS": "/run/netns/conformance-c1",
    "CNI_PATH": "/run/conformance/bin:/opt/cni/bin",
    "HOME": "/root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
_CONFIG = {
    "cniVersion": "1.1.0",
    "name": "dbnet",
    "type": "yolobridge",
    "bridge": "cni0",
    "ipam": {"type": "conformance-ipam"},
}
_RESULT = {
    "cniVersion": "1.1.0",
    "interfaces": [
        {"name": "cni0", "mac": "32:f7:fa:68:cb:27"},
        {"name": "vethf96b9d9a", "mac": "da:b9:f5:1c:17:84"},
        {"name": "eth0", "mac": "96:f9:ba:61:16:75", "sandbox": "/run/netns/conformance-c1"},
    ],
    "ips": [{"interface": 2, "address": "10.88.0.2/16", "gateway": "10.88.0.1"}],
    "routes": [{"dst": "0.0.0.0/0"}],
    "dns": {},
}


def _call(command: str, exit_code: int | None = 0, **values: object) -> Step:
    env = {**_ENV, "CNI_COMMAND": command}
    stdin = json.dumps(_CONFIG)
    step = Step(
        kind="plugin",
        title=f"{command} c1 eth0",
        argv=["/opt/cni/bin/yolobridge"],
        env=env,
        stdin=stdin,
        exit_code=exit_code,
        seconds=0.1669,
        max_rss=31_993_856,
        delegate_calls=[
            {"command": command, "name": "conformance-ipam", "env": env, "stdin": stdin}
        ],
    )
    return attrs.evolve(step, **values)


_SETUP = Step(
    kind="setup",
    title="namespace for c1",
    argv=["ip", "netns", "add", "conformance-c1"],
    exit_code=0,
)
_ADD = _call("ADD", stdout=json.dumps(_RESULT, indent=4))
_REMAINS = [
    '- address: host cni0 10.88.0.1/16 "scope" global',
    "+ link: host vethf96b9d9a veth up master cni0",
    "+ firewall: host iptables nat -A POSTROUTING -s 10.88.0.2/32 -j CNI-5d41402abc4b2a76b9719d91",
    "+ file: /var/lib/cni/yolobridge/conformance-c1-eth0 0644 root",
]
_TITLES = {
    "del_leaves_nothing": "After ADD and DEL the host is as it was before.",
    "del_without_netns": "DEL succeeds when the network namespace is gone.",
    "status_answers": "STATUS ends, and says how things are.",
    "errors_have_their_form": "A call that fails prints an error result.",
}
_REPRODUCER = """\
#!/bin/sh
# del_leaves_nothing: After DEL the host is as it was before ADD.
ip netns add conformance-c1
printf %s '{"cniVersion": "1.1.0", "name": "dbnet", "type": "yolobridge"}' |
    env -i \\
    CNI_COMMAND=DEL \\
    CNI_CONTAINERID=conformance-c1 \\
    /opt/cni/bin/yolobridge
"""


def _result(requirement: str, case: str, status: Status, **values: object) -> Result:
    made = Result(
        requirement=requirement,
        level=requirements()[requirement].level if requirement in requirements() else "must",
        case=case,
        title=_TITLES.get(case, case.replace("_", " ").capitalize() + "."),
        status=status,
        version="1.1.0",
        seconds=0.412,
    )
    return attrs.evolve(made, **values)


def _failures() -> list[Result]:
    forgetful = [_SETUP, _ADD, _call("DEL", stderr="W: iptables is busy, moving on\n")]
    loud = _call("DEL", 1, stdout="\n".join(HOSTILE), stderr=HOSTILE[2])
    killed = _call("DEL", None, ended_by="SIGSEGV", stderr="fatal error: all is lost\n")
    status = _call("STATUS", None, ended_by="timeout", seconds=30.0)
    failures = [
        _result(
            "spec/1.1.0/DEL/1",
            "del_leaves_nothing",
            Status.FAIL,
            expected="after DEL the host is as it was before ADD",
            actual="4 differences, see the list",
            diff=_REMAINS,
            steps=forgetful,
            reproducer=_REPRODUCER,
        ),
        _result(
            "field/del/1",
            "del_leaves_nothing",
            Status.WARN,
            expected="no firewall rule of the container is left",
            actual="one rule is left",
            diff=_REMAINS[2:3],
            steps=forgetful,
            reproducer=_REPRODUCER,
        ),
        _result(
            "spec/1.1.0/DEL/6",
            "del_without_netns",
            Status.FAIL,
            expected="DEL succeeds although CNI_NETNS is empty",
            actual="DEL was killed by SIGSEGV and printed nothing on standard output",
            steps=[_SETUP, _ADD, killed],
            reproducer=_REPRODUCER,
        ),
        _result(
            "spec/1.1.0/STATUS/1",
            "status_answers",
            Status.KNOWN,
            reason="waits for the daemon (yolo/bridge#7); tolerated until 2099-12-31",
            expected="STATUS ends",
            actual="STATUS did not end within 30 s",
            steps=[status],
        ),
    ]
    failures += [
        _result(
            "spec/1.1.0/error/1",
            "errors_have_their_form",
            Status.FAIL,
            version=version,
            expected=f"the error has the cniVersion of the request, {version}",
            actual="DEL exited with 1 and printed " + "\n".join(HOSTILE),
            steps=[_SETUP, _ADD, loud],
            reproducer=_REPRODUCER + "".join(f"# {line}\n" for line in HOSTILE),
        )
        for version in ("0.4.0", "1.0.0", "1.1.0")
    ]
    return failures


def sample() -> Report:
    """A report of a careless bridge plugin."""
    special = _failures()
    settled = {result.requirement for result in special}
    results = [*special]
    for number, row in enumerate(requirements().values()):
        if row.id in settled or row.untestable:
            continue
        if row.level == "perf":
            results.append(
                _result(row.id, "measured", Status.INFO, actual="ADD: p50 128 ms, p95 141 ms")
            )
        elif "interface" not in row.kinds:
            reason = f"binds {', '.join(row.kinds)} plugins; this is of kind interface"
            results.append(_result(row.id, "other_kind", Status.NOT_APPLICABLE, reason=reason))
        elif number % 17 == 3:
            reason = "the program 'nft' is not installed"
            results.append(_result(row.id, "needs_nft", Status.SKIP, reason=reason))
        else:
            results.append(_result(row.id, "add_and_look", Status.PASS, steps=[_SETUP, _ADD]))
    return Report(
        suite_version="0.1.0",
        spec_version="1.1.0",
        plugin=PluginUnderTest(
            path="/opt/cni/bin/yolobridge",
            name="yolobridge",
            sha256="8a6de0ab6ff34131ae5b9b80ed5e69446121cba4e08c9c2a441ebf28a6c93e3e",
            kind="interface",
            versions=["0.4.0", "1.0.0", "1.1.0"],
            about="YOLO bridge v0.0.1 " + HOSTILE[0],
        ),
        profile="bridge",
        config=_CONFIG,
        level="should",
        seed=4711,
        rootless=True,
        kernel="6.12.0-amd64",
        started="2026-11-24T02:10:56+00:00",
        seconds=48.21,
        observed=["link", "address", "route", "firewall", "file"],
        not_observed={"socket": "ss is not installed"},
        results=results,
    )


def better() -> Report:
    """The same plugin after its author has read the report, and has made another mistake."""
    report = sample()
    mended: list[Result] = []
    for result in report.results:
        if result.requirement == "spec/1.1.0/DEL/1":
            mended.append(attrs.evolve(result, status=Status.PASS, diff=[], reproducer=""))
        elif result.requirement == "spec/1.1.0/ADD/1":
            mended.append(attrs.evolve(result, status=Status.FAIL, expected="a", actual="b"))
        elif result.requirement == "spec/1.1.0/error/1" and result.version == "0.4.0":
            mended.append(attrs.evolve(result, status=Status.PASS))
        elif result.requirement == "spec/1.1.0/ADD/2":
            mended.append(attrs.evolve(result, status=Status.SKIP, reason="no"))
        else:
            mended.append(result)
    return attrs.evolve(report, results=mended)


def only(status: Status, **values: object) -> Report:
    """A report with one result."""
    result = _result("spec/1.1.0/DEL/6", "del_twice", status)
    return attrs.evolve(sample(), results=[attrs.evolve(result, **values)], level="must")


def main(folder: str) -> None:
    from cni_conformance.report import comparison, html, json_file, junit

    json_file.write(sample(), f"{folder}/report.json")
    junit.write(sample(), f"{folder}/report.xml")
    html.write(sample(), f"{folder}/report.html")
    comparison.write_html([sample(), better()], f"{folder}/comparison.html")


if __name__ == "__main__":
    main(*sys.argv[1:])
