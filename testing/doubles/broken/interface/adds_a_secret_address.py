#!/usr/bin/env python3
# breaks: spec/1.1.0/result/18
"""The interface gets an address more than the result lists."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def configure_container(self, netns, given):
        super().configure_container(netns, given)
        self.run("ip", "addr", "add", "198.51.100.7/32", "dev", self.ifname, netns=netns)


if __name__ == "__main__":
    Broken().main()
