#!/usr/bin/env python3
# breaks: field/add/10
"""The gateway is an address like any other."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def candidates(self, subnet, gateway):
        yield gateway
        yield from super().candidates(subnet, gateway)


if __name__ == "__main__":
    Broken().main()
