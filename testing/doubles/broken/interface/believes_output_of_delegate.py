#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/4
"""A delegate that printed a result has succeeded, whatever its exit status."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def judge(self, name, command, status, output):
        if not (status > 0 and b'"ip' in output):
            super().judge(name, command, status, output)


if __name__ == "__main__":
    Broken().main()
