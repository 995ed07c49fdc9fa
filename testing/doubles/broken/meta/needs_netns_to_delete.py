#!/usr/bin/env python3
# breaks: spec/1.1.0/DEL/8
# breaks: spec/0.4.0/DEL/1
"""DEL without CNI_NETNS is refused."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from meta import Meta


class Broken(Meta):
    def check_environment(self):
        super().check_environment()
        if self.command == "DEL" and not self.netns:
            raise CniError(4, "missing: CNI_NETNS")


if __name__ == "__main__":
    Broken().main()
