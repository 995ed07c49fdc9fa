#!/usr/bin/env python3
# breaks: spec/1.1.0/CHECK/4
"""CHECK does not look whether the address is still reserved."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def check(self):
        self.previous()


if __name__ == "__main__":
    Broken().main()
