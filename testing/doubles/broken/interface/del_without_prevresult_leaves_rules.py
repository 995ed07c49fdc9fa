#!/usr/bin/env python3
# breaks: spec/1.1.0/DEL/2
"""DEL without prevResult succeeds, and leaves the rules."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def remove_own_masquerade(self):
        if self.config.get("prevResult"):
            super().remove_own_masquerade()


if __name__ == "__main__":
    Broken().main()
