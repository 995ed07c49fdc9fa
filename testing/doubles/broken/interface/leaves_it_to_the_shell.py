#!/usr/bin/env python3
# breaks: sec/inject/1
"""The container id goes through a shell on its way to a line nobody reads."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def is_valid(self, variable, value):
        return super().is_valid(variable, value[:1] if variable == "CNI_CONTAINERID" else value)

    def make_link(self, netns):
        self.run("sh", "-c", f"echo adding {self.containerid}")
        super().make_link(netns)


if __name__ == "__main__":
    Broken().main()
