#!/usr/bin/env python3
# breaks: spec/1.1.0/CHECK/1
"""CHECK is content with any reservation of the container, whatever address prevResult lists."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import NOT_AS_EXPECTED, CniError

from ipam import Ipam


class Broken(Ipam):
    def check(self):
        taken = self.reservations(self.open_network())
        if self.owner not in taken.values():
            raise CniError(NOT_AS_EXPECTED, f"nothing is reserved for {self.owner}")


if __name__ == "__main__":
    Broken().main()
