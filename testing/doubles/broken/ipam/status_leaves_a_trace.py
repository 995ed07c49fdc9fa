#!/usr/bin/env python3
# breaks: field/status/1
"""STATUS reserves an address to see whether it can, and keeps it."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def status(self):
        super().status()
        directory = self.open_network(make=True)
        self.write_file(directory, "last-status", {"owner": "status"})


if __name__ == "__main__":
    Broken().main()
