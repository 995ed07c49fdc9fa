#!/usr/bin/env python3
# breaks: spec/0.4.0/DEL/1
"""At 0.4.0, DEL fails when CNI_NETNS is not set; it may be empty."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from ipam import Ipam


class Broken(Ipam):
    def check_environment(self):
        super().check_environment()
        if (
            self.command == "DEL"
            and "CNI_NETNS" not in os.environ
            and self.config.get("cniVersion") == "0.4.0"
        ):
            raise CniError(4, "missing: CNI_NETNS")


if __name__ == "__main__":
    Broken().main()
