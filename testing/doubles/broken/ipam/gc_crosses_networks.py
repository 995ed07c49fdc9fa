#!/usr/bin/env python3
# breaks: field/gc/2
"""GC of one network removes the reservations of the others (plugins#1289)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def gc(self):
        super().gc()
        valid = self.valid_owners()
        base = self.section.get("dataDir", self.default_directory)
        if valid is not None and os.path.isdir(base):
            for name in os.listdir(base):
                self.config["name"] = name
                self.remove(lambda owner: owner not in valid)


if __name__ == "__main__":
    Broken().main()
