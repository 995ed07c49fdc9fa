#!/usr/bin/env python3
# breaks: field/check/1
"""CHECK installs the rule anew, in a second chain, to be sure."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def check(self):
        super().check()
        self.run("nft", "add", "chain", "inet", self.table, "checked")


if __name__ == "__main__":
    Broken().main()
