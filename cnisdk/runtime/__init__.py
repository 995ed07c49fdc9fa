"""The runtime side of CNI: what libcni is to Go programs.

Load a network, attach containers to it::

    from cnisdk.runtime import Parameters, Runtime

    runtime = Runtime("/opt/cni/bin")
    network = runtime.network("mynet")
    blue = Parameters("c1", "/run/netns/blue", args={"K8S_POD_NAME": "web"})
    result = runtime.add(network, blue)
    runtime.check(network, blue)
    runtime.delete(network, blue)
"""

from __future__ import annotations

from cnisdk.runtime._cache import DEFAULT_CACHE_DIR, Cache, CachedAttachment
from cnisdk.runtime._failures import DamagedEntry, NetworkNotFound, PluginFailed, SeveralFailed
from cnisdk.runtime._loading import DEFAULT_CONF_DIR, Loaded, load, load_all, load_named, parse
from cnisdk.runtime._network import LoadWarning, NetworkList, PluginConf
from cnisdk.runtime._plugins import VersionInfo
from cnisdk.runtime._request import Parameters, container_id_for
from cnisdk.runtime._runtime import DEFAULT_CNI_PATH, DEFAULT_SECONDS, Runtime


__all__ = [
    "DEFAULT_CACHE_DIR",
    "DEFAULT_CNI_PATH",
    "DEFAULT_CONF_DIR",
    "DEFAULT_SECONDS",
    "Cache",
    "CachedAttachment",
    "DamagedEntry",
    "LoadWarning",
    "Loaded",
    "NetworkList",
    "NetworkNotFound",
    "Parameters",
    "PluginConf",
    "PluginFailed",
    "Runtime",
    "SeveralFailed",
    "VersionInfo",
    "container_id_for",
    "load",
    "load_all",
    "load_named",
    "parse",
]
