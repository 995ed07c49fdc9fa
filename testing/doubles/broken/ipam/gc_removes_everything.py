#!/usr/bin/env python3
# breaks: spec/1.1.0/GC/2
"""GC removes the addresses of valid attachments too."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def gc(self):
        if self.valid_owners() is not None:
            self.remove(lambda owner: True)


if __name__ == "__main__":
    Broken().main()
