#!/usr/bin/env python3
# breaks: spec/1.1.0/GC/7
"""GC prints an empty object."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def gc(self):
        super().gc()
        return {}


if __name__ == "__main__":
    Broken().main()
