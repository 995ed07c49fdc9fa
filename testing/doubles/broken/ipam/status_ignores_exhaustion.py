#!/usr/bin/env python3
# breaks: spec/1.1.0/STATUS/4
"""STATUS succeeds when no address is left."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def status(self):
        pass


if __name__ == "__main__":
    Broken().main()
