#!/usr/bin/env python3
# breaks: spec/1.1.0/STATUS/8
"""STATUS calls the delegate and succeeds when that fails."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def judge(self, name, command, status, output):
        if command != "STATUS":
            super().judge(name, command, status, output)


if __name__ == "__main__":
    Broken().main()
