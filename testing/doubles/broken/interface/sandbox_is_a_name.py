#!/usr/bin/env python3
# breaks: spec/1.1.0/result/5
"""`sandbox` is the name of the namespace instead of CNI_NETNS."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def interfaces(self):
        host, container = super().interfaces()
        return [host, {**container, "sandbox": os.path.basename(self.netns)}]

    def previous(self):
        previous = super().previous()
        for row in previous["interfaces"]:
            if row.get("sandbox") == os.path.basename(self.netns):
                row["sandbox"] = self.netns
        return previous


if __name__ == "__main__":
    Broken().main()
