"""containerd on a node, with its own command line, and with what kubelet speaks to."""

from __future__ import annotations

from busybox_image import IMAGE
from cri import Cri
from runtime_node import BIN_DIR, CONF_DIR, STATE, Node, eventually


_SOCKET = f"{STATE}/containerd.sock"
_LOG = f"{STATE}/containerd.log"
_CONFIG = f"""
version = 2
root = "{STATE}/containerd/root"
state = "{STATE}/containerd/state"
[grpc]
  address = "{_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{STATE}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{IMAGE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{BIN_DIR}"
    conf_dir = "{CONF_DIR}"
"""


class Containerd:
    """A running containerd which has the image."""

    def __init__(self, node: Node, image: bytes) -> None:
        self.node = node
        node.write(f"{STATE}/containerd.toml", _CONFIG)
        node.write(f"{STATE}/image.tar", image)
        node.start("containerd", "--config", f"{STATE}/containerd.toml", log=_LOG)
        ready = ["ctr", "--address", _SOCKET, "version"]
        eventually(lambda: node.try_run(*ready).returncode == 0)
        # One store of images per namespace: ctr's here, and the one kubelet's calls work in.
        for namespace in (node.name, "k8s.io"):
            self._ctr(namespace, "images", "import", "--snapshotter=native", f"{STATE}/image.tar")

    @property
    def log(self) -> str:
        return self.node.path(_LOG).read_text(encoding="utf-8", errors="replace")

    # ---- ctr ------------------------------------------------------------------------------------

    def run(self, container: str, *command: str, detach: bool = False) -> str:
        """Run a container with a network: the first of the configuration directory."""
        flag = "--detach" if detach else "--rm"
        options = [flag, "--cni", "--snapshotter=native"]
        return self._ctr(self.node.name, "run", *options, IMAGE, container, *command)

    def execute(self, container: str, *command: str) -> str:
        """Run a command in a container."""
        arguments = ["tasks", "exec", "--exec-id=test", container, *command]
        return self._ctr(self.node.name, *arguments)

    def kill(self, container: str) -> None:
        """End a detached container and forget it; no plugin is called."""
        self._ctr(self.node.name, "tasks", "delete", "--force", container)
        self._ctr(self.node.name, "containers", "delete", container)

    def _ctr(self, namespace: str, *arguments: str) -> str:
        return self.node.run("ctr", f"--address={_SOCKET}", f"--namespace={namespace}", *arguments)

    # ---- kubelet's interface --------------------------------------------------------------------

    def cri(self) -> Cri:
        return Cri(self.node.path(_SOCKET))
