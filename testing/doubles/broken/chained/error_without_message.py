#!/usr/bin/env python3
# breaks: spec/1.1.0/error/2
"""The error has `details`, and no `msg`."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def error(self, failure):
        return {**super().error(failure), "msg": "", "details": str(failure)}


if __name__ == "__main__":
    Broken().main()
