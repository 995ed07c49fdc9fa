#!/usr/bin/env python3
# breaks: spec/0.3.0/chaining/1
"""Before 1.0.0, the result is empty: the plugin does not know of prevResult."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def result(self):
        result = super().result()
        return result if self.at_least("1.0.0") else {"cniVersion": self.cni_version}


if __name__ == "__main__":
    Broken().main()
