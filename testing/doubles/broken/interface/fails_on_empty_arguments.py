#!/usr/bin/env python3
# breaks: spec/1.1.0/ADD/6
"""An empty CNI_ARGS is taken for a malformed one."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def check_environment(self):
        super().check_environment()
        if self.command == "ADD" and os.environ.get("CNI_ARGS") == "":
            raise CniError(4, "CNI_ARGS is not a list of pairs")


if __name__ == "__main__":
    Broken().main()
