#!/usr/bin/env python3
# breaks: field/portmap/1
"""ADD without mappings makes the chains all the same (plugins#510)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from portmap import Portmap


class Broken(Portmap):
    def add(self):
        if not self.wanted_rules():
            self.add_rules([])
        return super().add()


if __name__ == "__main__":
    Broken().main()
