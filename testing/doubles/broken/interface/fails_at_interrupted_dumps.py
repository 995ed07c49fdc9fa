#!/usr/bin/env python3
# breaks: field/add/6
"""A list of links that another change has interrupted fails ADD instead of being asked for again (plugins#1121)."""

import os
import subprocess
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def configure_host(self, given):
        for _ in range(200):
            done = subprocess.run([self.tool("ip"), "link"], capture_output=True, check=False)
            if b"interrupted" in done.stderr:
                raise CniError(104, "the list of links was interrupted")
        super().configure_host(given)


if __name__ == "__main__":
    Broken().main()
