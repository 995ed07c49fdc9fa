#!/usr/bin/env python3
# breaks: spec/1.1.0/GC/1
"""GC succeeds and removes nothing, as every plugin whose framework takes a missing function for success."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def gc(self):
        pass


if __name__ == "__main__":
    Broken().main()
