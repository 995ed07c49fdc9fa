#!/usr/bin/env python3
# breaks: spec/1.1.0/error/5
"""A key the plugin does not know is refused without saying which."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from chained import Chained


class Broken(Chained):
    def validate(self):
        known = {"cniVersion", "name", "type", "mtu", "prevResult", "runtimeConfig", "args"}
        if set(self.config) - known:
            raise CniError(2, "unsupported field in network configuration")
        super().validate()


if __name__ == "__main__":
    Broken().main()
