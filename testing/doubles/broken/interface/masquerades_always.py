#!/usr/bin/env python3
# breaks: spec/1.1.0/configuration/3
"""What leaves the host is masqueraded whatever `ipMasq` says."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def masquerade(self, given):
        self.config["ipMasq"] = True
        super().masquerade(given)


if __name__ == "__main__":
    Broken().main()
