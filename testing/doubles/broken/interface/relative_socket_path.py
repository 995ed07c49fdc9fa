#!/usr/bin/env python3
# breaks: spec/1.1.0/result/20
"""`socketPath` is relative to nobody knows what."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def interfaces(self):
        host, container = super().interfaces()
        if self.at_least("1.1.0"):
            container["socketPath"] = "vhost/eth0.sock"
        return [host, container]


if __name__ == "__main__":
    Broken().main()
