#!/usr/bin/env python3
# breaks: spec/1.1.0/DEL/3
"""DEL fails when the interface it changed is gone."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def restore(self):
        before = self.forget().get("mtu")
        netns = self.find_netns()
        if netns is not None and before:
            self.set_mtu(netns, before)


if __name__ == "__main__":
    Broken().main()
