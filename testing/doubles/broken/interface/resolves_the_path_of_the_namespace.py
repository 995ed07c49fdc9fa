#!/usr/bin/env python3
# breaks: spec/1.1.0/result/5
"""`sandbox` is the path that CNI_NETNS stands for, symbolic links resolved."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def interfaces(self):
        host, container = super().interfaces()
        return [host, {**container, "sandbox": os.path.realpath(self.netns)}]

    def check_container(self, netns, previous):
        self.netns = os.path.realpath(self.netns)
        super().check_container(netns, previous)


if __name__ == "__main__":
    Broken().main()
