#!/usr/bin/env python3
# breaks: spec/1.1.0/result/17
"""The interface in the container is listed without `sandbox`."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def interfaces(self):
        host, container = super().interfaces()
        del container["sandbox"]
        return [host, container]

    def previous(self):
        previous = super().previous()
        for row in previous["interfaces"]:
            if row.get("name") == self.ifname:
                row["sandbox"] = self.netns
        return previous


if __name__ == "__main__":
    Broken().main()
