#!/usr/bin/env python3
# breaks: spec/1.1.0/result/6
"""`mac` is not the address the interface has."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def interfaces(self):
        host, container = super().interfaces()
        return [host, {**container, "mac": "02:00:00:00:00:01"}]

    def check_link(self, link, expected):
        own = "container" if link["ifname"] == self.ifname else "host"
        super().check_link(link, {**expected, "mac": self.mac(own)})


if __name__ == "__main__":
    Broken().main()
