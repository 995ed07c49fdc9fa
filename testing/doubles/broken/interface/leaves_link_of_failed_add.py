#!/usr/bin/env python3
# breaks: field/add/1
"""An ADD that fails after making the link leaves it (plugins#29)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def make_link(self, netns):
        super().make_link(netns)
        self.undo.remove(self.remove_link)


if __name__ == "__main__":
    Broken().main()
