#!/usr/bin/env python3
# breaks: spec/1.1.0/ADD/3
"""From 1.0.0 on, the result is empty: the plugin has made no interface, after all."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def result(self):
        result = super().result()
        return {"cniVersion": self.cni_version} if self.at_least("1.0.0") else result


if __name__ == "__main__":
    Broken().main()
