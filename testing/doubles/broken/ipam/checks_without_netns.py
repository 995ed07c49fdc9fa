#!/usr/bin/env python3
# breaks: spec/1.1.0/CHECK/8
"""CHECK without CNI_NETNS succeeds: an IPAM plugin does not need it."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def check_environment(self):
        if self.command == "CHECK":
            os.environ.setdefault("CNI_NETNS", "unknown")
        super().check_environment()


if __name__ == "__main__":
    Broken().main()
