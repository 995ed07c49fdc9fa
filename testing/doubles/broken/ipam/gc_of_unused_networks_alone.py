#!/usr/bin/env python3
# breaks: spec/1.1.0/GC/1
"""GC removes something only when no attachment is valid any more."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def gc(self):
        if not self.valid_owners():
            super().gc()


if __name__ == "__main__":
    Broken().main()
