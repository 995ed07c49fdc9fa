"""podman with CNI for its networks."""

from __future__ import annotations

import json
from typing import Any

from busybox_image import IMAGE
from runtime_node import BIN_DIR, CONF_DIR, STATE, Node


BRIDGE = "cni-podman1"
"""Of the first network that podman makes."""
_CONFIG = f"""
[containers]
apparmor_profile = "unconfined"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[network]
network_backend = "cni"
cni_plugin_dirs = ["{BIN_DIR}"]
network_config_dir = "{CONF_DIR}"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
tmp_dir = "{STATE}/podman/tmp"
"""
_STORAGE = f"""
[storage]
driver = "vfs"
graphroot = "{STATE}/podman/root"
runroot = "{STATE}/podman/run"
"""
_ENVIRONMENT = {
    "CONTAINERS_CONF": f"{STATE}/containers.conf",
    "CONTAINERS_STORAGE_CONF": f"{STATE}/storage.conf",
}


class Podman:
    """podman's command line: called with its arguments, returns what it prints."""

    def __init__(self, node: Node) -> None:
        self.node = node
        node.write(_ENVIRONMENT["CONTAINERS_CONF"], _CONFIG)
        node.write(_ENVIRONMENT["CONTAINERS_STORAGE_CONF"], _STORAGE)

    def __call__(self, *arguments: str) -> str:
        return self.node.run("podman", *arguments, env=_ENVIRONMENT)

    def load(self, image: bytes) -> None:
        self.node.write(f"{STATE}/image.tar", image)
        self("load", "--quiet", f"--input={STATE}/image.tar")

    def create_network(self, name: str, *flags: str) -> None:
        """Make a network; podman writes its configuration."""
        self("network", "create", *flags, name)

    def run(self, *arguments: str) -> str:
        """Run a container: options first; ``IMAGE`` in the arguments is the image."""
        parent = f"--cgroup-parent=/{self.node.name}"
        return self("run", parent, *(IMAGE if each == "IMAGE" else each for each in arguments))

    def inspect(self, container: str) -> dict[str, Any]:
        return json.loads(self("inspect", container))[0]
