#!/usr/bin/env python3
# breaks: field/del/6
"""DEL removes what has the name CNI_IFNAME in the namespace, whoever has made it."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def remove_link(self):
        netns = self.find_netns() if self.command == "DEL" else None
        if netns is not None and self.ifname in self.links(netns):
            self.run("ip", "link", "del", "dev", self.ifname, netns=netns)
        super().remove_link()


if __name__ == "__main__":
    Broken().main()
