#!/usr/bin/env python3
# breaks: spec/1.1.0/STATUS/2
"""STATUS fails without an error on standard output."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def fail(self, failure):
        if self.command != "STATUS":
            return super().fail(failure)
        sys.stderr.write(f"error: {failure}\n")
        return 1


if __name__ == "__main__":
    Broken().main()
