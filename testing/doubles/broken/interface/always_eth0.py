#!/usr/bin/env python3
# breaks: spec/1.1.0/ADD/1
"""The interface is called eth0, whatever CNI_IFNAME says."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def __init__(self):
        super().__init__()
        if self.ifname:
            self.ifname = "eth0"


if __name__ == "__main__":
    Broken().main()
