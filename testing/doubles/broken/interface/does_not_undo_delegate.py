#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/9
"""After an ADD of the delegate that failed, its DEL is not called."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def judge(self, name, command, status, output):
        if command == "ADD" and status != 0:
            self.undo.remove(self.undo_delegate)
        super().judge(name, command, status, output)


if __name__ == "__main__":
    Broken().main()
