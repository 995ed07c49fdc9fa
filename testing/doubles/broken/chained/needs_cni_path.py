#!/usr/bin/env python3
# breaks: spec/1.1.0/ADD/7
"""CNI_PATH is required although there is no delegate, as by Go's skel."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from chained import Chained


class Broken(Chained):
    def check_environment(self):
        super().check_environment()
        if self.command in ("ADD", "DEL", "CHECK") and not os.environ.get("CNI_PATH"):
            raise CniError(4, "missing: CNI_PATH")


if __name__ == "__main__":
    Broken().main()
