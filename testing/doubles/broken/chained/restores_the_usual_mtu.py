#!/usr/bin/env python3
# breaks: spec/1.1.0/DEL/1
"""DEL sets the MTU that is usual, not the one that was there."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def remember(self, mtu):
        super().remember(1500)


if __name__ == "__main__":
    Broken().main()
