#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/1
"""The last directory of CNI_PATH that has the delegate wins."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def find_delegate(self, name):
        paths = os.environ.get("CNI_PATH", "").split(os.pathsep)
        found = [path for path in paths if path and os.access(f"{path}/{name}", os.X_OK)]
        return f"{found[-1]}/{name}" if found else super().find_delegate(name)


if __name__ == "__main__":
    Broken().main()
