#!/usr/bin/env python3
# breaks: spec/1.1.0/result/2
"""The result is the delegate's to the letter, its cniVersion and form too."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from meta import Meta


class Broken(Meta):
    def result(self, given):
        return given


if __name__ == "__main__":
    Broken().main()
