"""A chained plugin that notes how it understood what the runtime said about a container."""

from __future__ import annotations

import cnisdk
from cnisdk import on
from cnisdk.capabilities import Bandwidth, PortMapping


FILE = "/run/node/notice"


@cnisdk.config
class NoticeConf(cnisdk.NetConf):
    """What kubelet's pods come with."""

    port_mappings: tuple[PortMapping, ...] = cnisdk.capability("portMappings", default=())
    bandwidth: Bandwidth | None = cnisdk.capability("bandwidth", default=None)
    pod: str = cnisdk.arg("K8S_POD_NAME", default="")


class Notice(cnisdk.ChainedPlugin[NoticeConf], stateless=True):
    """Notes ports, bandwidth and name."""

    @on.add
    def note(self, op: cnisdk.Add[NoticeConf]) -> cnisdk.Result:
        cfg = op.config
        with open(FILE, "w", encoding="utf-8") as file:
            for each in (cfg.pod, cfg.bandwidth, *cfg.port_mappings):
                print(each, file=file)
        assert op.prev_result is not None
        return op.prev_result

    @on.delete
    def forget(self, op: cnisdk.Del[NoticeConf]) -> None:
        """Nothing has been made."""
