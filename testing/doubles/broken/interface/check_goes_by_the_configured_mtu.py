#!/usr/bin/env python3
# breaks: spec/1.1.0/CHECK/2
"""CHECK wants the MTU of the configuration, whatever prevResult says."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def check_link(self, link, expected):
        super().check_link(link, {**expected, "mtu": self.mtu})


if __name__ == "__main__":
    Broken().main()
