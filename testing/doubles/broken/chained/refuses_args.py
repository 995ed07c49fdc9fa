#!/usr/bin/env python3
# breaks: spec/0.4.0/configuration/1
"""At 0.4.0, labels in `args` are refused."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from chained import Chained


class Broken(Chained):
    def validate(self):
        super().validate()
        if self.cni_version == "0.4.0" and "args" in self.config:
            raise CniError(7, "invalid network config: args")


if __name__ == "__main__":
    Broken().main()
