#!/usr/bin/env python3
# breaks: field/input/1
"""It takes its input for ASCII."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def read_stdin(self):
        unreadable = super().read_stdin()
        self.stdin.decode("ascii")
        return unreadable


if __name__ == "__main__":
    Broken().main()
