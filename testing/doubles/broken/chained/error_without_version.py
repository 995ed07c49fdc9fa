#!/usr/bin/env python3
# breaks: spec/1.1.0/error/1
"""The error has no cniVersion."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def error(self, failure):
        error = super().error(failure)
        del error["cniVersion"]
        return error


if __name__ == "__main__":
    Broken().main()
