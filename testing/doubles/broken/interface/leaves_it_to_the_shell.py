#!/usr/bin/env python3
# breaks: sec/inject/1
"""CNI_IFNAME goes through a shell on its way to ip(8)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def is_valid(self, variable, value):
        if variable == "CNI_IFNAME":
            return len(value) < 16 and not set(value) & set("/ ") and value.strip(".") != ""
        return super().is_valid(variable, value)

    def make_link(self, netns):
        self.run("sh", "-c", f"echo making {self.ifname}")
        super().make_link(netns)


if __name__ == "__main__":
    Broken().main()
