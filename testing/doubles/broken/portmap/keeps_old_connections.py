#!/usr/bin/env python3
# breaks: field/portmap/3
"""UDP connections from before are kept, and go to the container that is gone (plugins#1190)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from portmap import Portmap


class Broken(Portmap):
    def forget_connections(self, ports):
        pass


if __name__ == "__main__":
    Broken().main()
