#!/usr/bin/env python3
# breaks: spec/1.1.0/ADD/5
"""Without CNI_IFNAME, ADD goes on with eth0."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def __init__(self):
        super().__init__()
        if self.command == "ADD" and not self.ifname:
            self.ifname = os.environ["CNI_IFNAME"] = "eth0"


if __name__ == "__main__":
    Broken().main()
