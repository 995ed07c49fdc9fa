#!/usr/bin/env python3
# breaks: sec/path/2
"""An empty element of CNI_PATH stands for the current directory, as in the PATH of a shell."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def find_delegate(self, name):
        here = os.path.join(os.curdir, name)
        if "" in os.environ.get("CNI_PATH", "").split(os.pathsep) and os.access(here, os.X_OK):
            return here
        return super().find_delegate(name)


if __name__ == "__main__":
    Broken().main()
