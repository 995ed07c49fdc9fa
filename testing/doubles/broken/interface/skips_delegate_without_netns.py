#!/usr/bin/env python3
# breaks: spec/1.1.0/DEL/5
# breaks: field/del/3
"""DEL returns early when the namespace is gone, so that the address leaks: host-device did (plugins#1196)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def delegate_delete(self):
        if self.command != "DEL" or not self.netns or self.find_netns() is not None:
            super().delegate_delete()


if __name__ == "__main__":
    Broken().main()
