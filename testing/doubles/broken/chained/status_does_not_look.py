#!/usr/bin/env python3
# breaks: spec/1.1.0/STATUS/3
"""STATUS says that all is well without looking for what ADD needs."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def status(self):
        pass


if __name__ == "__main__":
    Broken().main()
