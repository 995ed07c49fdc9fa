#!/usr/bin/env python3
# breaks: spec/0.4.0/CHECK/1
"""At 0.4.0, CHECK prints a result, as ADD does."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def check(self):
        super().check()
        return self.config["prevResult"] if self.cni_version == "0.4.0" else None


if __name__ == "__main__":
    Broken().main()
