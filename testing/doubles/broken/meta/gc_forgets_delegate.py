#!/usr/bin/env python3
# breaks: spec/1.1.0/GC/5
# breaks: spec/1.1.0/GC/1
"""GC is not passed on to the delegate, so that nobody collects."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from meta import Meta


class Broken(Meta):
    def delegate_gc(self):
        pass


if __name__ == "__main__":
    Broken().main()
