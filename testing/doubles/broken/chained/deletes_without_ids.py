#!/usr/bin/env python3
# breaks: spec/1.1.0/DEL/7
"""DEL without container id or interface name succeeds and does nothing."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def answer(self):
        if self.command == "DEL" and not (self.containerid and self.ifname):
            return None
        return super().answer()


if __name__ == "__main__":
    Broken().main()
