#!/usr/bin/env python3
# breaks: field/portmap/2
"""Packets to other machines are rewritten as well (GHSA-jv3w-x3r3-g6rm)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from portmap import Portmap


class Broken(Portmap):
    def condition(self, row, key):
        return super().condition(row, key).replace("fib daddr type local", "")


if __name__ == "__main__":
    Broken().main()
