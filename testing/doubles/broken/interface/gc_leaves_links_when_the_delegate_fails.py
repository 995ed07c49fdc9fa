#!/usr/bin/env python3
# breaks: spec/1.1.0/GC/4
"""GC removes rules first and links last, and is over when the delegate in between fails."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def gc(self):
        self.collect_rules()
        self.delegate_gc()
        self.collect_links()


if __name__ == "__main__":
    Broken().main()
