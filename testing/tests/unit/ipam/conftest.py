"""Call an IPAM plugin in this process, with its state in a directory of the test."""

import io
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

import cnisdk
from reference_plugins.host_local import HostLocal
from reference_plugins.static import Static


sys.path.insert(0, str(Path(__file__).parent))  # for `pools`


@attrs.frozen
class Answer:
    """What a plugin answered."""

    status: int
    document: dict[str, Any]
    stderr: str

    @property
    def ips(self) -> list[str]:
        """The addresses with prefix length, in every version's form of result."""
        if "ips" in self.document:
            return [each["address"] for each in self.document["ips"]]
        return [self.document[key]["ip"] for key in ("ip4", "ip6") if key in self.document]

    @property
    def code(self) -> int:
        """The error code, 0 for success."""
        return int(self.document.get("code", 0))

    @property
    def error(self) -> str:
        """Message and details of the error object."""
        return f"{self.document.get('msg', '')} {self.document.get('details', '')}"


@attrs.define
class Caller:
    """Calls one plugin."""

    plugin: cnisdk.IpamPlugin[Any]
    type: str
    root: Path
    version: str = "1.1.0"

    @property
    def data_dir(self) -> Path:
        """Directory of all networks."""
        return self.root / "networks"

    def defaults(self) -> dict[str, Any]:
        """Keys every configuration of the test has."""
        return {"dataDir": str(self.data_dir)} if self.type == "host-local" else {}

    def files(self, network: str = "net") -> dict[str, bytes]:
        """Names and contents of a network's files, the lock excepted."""
        directory = self.data_dir / network
        if not directory.exists():
            return {}
        return {each.name: each.read_bytes() for each in directory.iterdir() if each.name != "lock"}

    def reserved(self, network: str = "net") -> set[str]:
        """The reserved addresses of a network."""
        return {name for name in self.files(network) if not name.startswith("last_reserved_ip.")}

    def __call__(
        self,
        verb: str,
        ipam: Mapping[str, Any] | None,
        container: str = "c1",
        *,
        ifname: str = "eth0",
        network: str = "net",
        version: str = "",
        cni_args: str = "",
        timeout: str = "",
        **top: Any,
    ) -> Answer:
        """Call a verb; further keywords are keys of the network configuration."""
        document: dict[str, Any] = {
            "cniVersion": version or self.version,
            "name": network,
            "type": "some-main-plugin",
            **top,
        }
        if ipam is not None:
            document["ipam"] = {"type": self.type, **self.defaults(), **ipam}
        env = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container,
            "CNI_IFNAME": ifname,
            "CNI_NETNS": "/var/run/netns/not-there",
            "CNI_PATH": "/opt/cni/bin",
            "CNI_ARGS": cni_args,
            "CNISDK_RUN_DIR": str(self.root / "run"),
            "CNISDK_TIMEOUT": timeout,
        }
        stdout, stderr = io.BytesIO(), io.BytesIO()
        status = self.plugin.run(env, io.BytesIO(json.dumps(document).encode()), stdout, stderr)
        text = stdout.getvalue()
        answer = Answer(status, json.loads(text) if text else {}, stderr.getvalue().decode())
        assert (answer.status != 0) == ("code" in answer.document)
        return answer

    def ok(self, *args: Any, **kwargs: Any) -> Answer:
        """Call a verb that must succeed."""
        answer = self(*args, **kwargs)
        assert not answer.status, answer.document
        return answer


@pytest.fixture
def host_local(tmp_path: Path) -> Caller:
    return Caller(HostLocal(), "host-local", tmp_path)


@pytest.fixture
def static(tmp_path: Path) -> Caller:
    return Caller(Static(), "static", tmp_path)


@pytest.fixture(params=cnisdk.versions.ALL)
def version(request: pytest.FixtureRequest) -> str:
    """Every version of the specification in turn."""
    return str(request.param)


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, bytes]]:
    """Everything below a directory: names, and contents of files or targets of links."""

    def take(root: Path) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for directory, names, files in os.walk(root):
            for name in [*names, *files]:
                path = Path(directory, name)
                relative = str(path.relative_to(root))
                if path.is_symlink():
                    found[relative] = os.fsencode(os.readlink(path))
                else:
                    found[relative] = path.read_bytes() if path.is_file() else b"<directory>"
        return found

    return take
