#!/usr/bin/env python3
# breaks: spec/1.1.0/CHECK/4
"""CHECK looks at the rules on the host, and not at the interface."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def check_mtu(self, link, expected):
        pass


if __name__ == "__main__":
    Broken().main()
