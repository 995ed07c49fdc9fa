#!/usr/bin/env python3
# breaks: spec/1.1.0/GC/1
"""GC removes the files and leaves the rules."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def gc(self):
        valid = self.valid_owners()
        if valid is not None:
            self.collect_files(lambda owner: owner not in valid)


if __name__ == "__main__":
    Broken().main()
