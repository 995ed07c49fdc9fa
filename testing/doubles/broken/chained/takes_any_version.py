#!/usr/bin/env python3
# breaks: spec/0.1.0/version/1
"""A version nobody has heard of is taken for the newest."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def check_version(self):
        if self.cni_version not in self.versions:
            self.config["cniVersion"] = self.versions[-1]
        super().check_version()


if __name__ == "__main__":
    Broken().main()
