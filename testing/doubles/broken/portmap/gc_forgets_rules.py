#!/usr/bin/env python3
# breaks: spec/1.1.0/GC/1
"""GC succeeds and leaves the rules of containers that are gone."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from portmap import Portmap


class Broken(Portmap):
    def gc(self):
        pass


if __name__ == "__main__":
    Broken().main()
