#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/8
"""A delegate that exits with an error but prints nothing has not failed in DEL."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def judge(self, name, command, status, output):
        if command != "DEL" or output.strip():
            super().judge(name, command, status, output)


if __name__ == "__main__":
    Broken().main()
