#!/usr/bin/env python3
# breaks: spec/1.1.0/version/2
"""VERSION lists 0.3.0, which the other commands refuse."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from chained import Chained


class Broken(Chained):
    def check_version(self):
        if self.cni_version == "0.3.0":
            raise CniError(1, "incompatible CNI versions")
        super().check_version()


if __name__ == "__main__":
    Broken().main()
