#!/usr/bin/env python3
# breaks: field/del/7
"""DEL of one network releases what the same interface of the container has in the others."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def delete(self):
        super().delete()
        base = self.section.get("dataDir", self.default_directory)
        for name in os.listdir(base) if os.path.isdir(base) else []:
            self.config["name"] = name
            super().delete()


if __name__ == "__main__":
    Broken().main()
