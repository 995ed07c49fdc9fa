#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/11
"""When DEL of the delegate fails as well, the error is that one."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def roll_back(self):
        while self.undo:
            self.undo.pop()()


if __name__ == "__main__":
    Broken().main()
