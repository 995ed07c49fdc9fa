#!/usr/bin/env python3
# breaks: spec/1.1.0/CHECK/4
"""CHECK does not look for the rules."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from portmap import Portmap


class Broken(Portmap):
    def compare(self, wanted, there):
        pass


if __name__ == "__main__":
    Broken().main()
