#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/6
# breaks: field/del/2
# breaks: field/del/8
# breaks: field/add/7
"""DEL does not call the delegate while the container is there, and every address is used once."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def delegate_delete(self):
        if self.command != "DEL" or self.find_netns() is None:
            super().delegate_delete()


if __name__ == "__main__":
    Broken().main()
