#!/usr/bin/env python3
# breaks: spec/1.1.0/ADD/3
"""The result is empty: the plugin has made no interface, after all."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def result(self):
        return {"cniVersion": self.cni_version}


if __name__ == "__main__":
    Broken().main()
