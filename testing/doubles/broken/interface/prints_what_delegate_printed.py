#!/usr/bin/env python3
# breaks: field/delegate/2
"""What a failing delegate has printed is printed as the plugin's own error, JSON or not."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def judge(self, name, command, status, output):
        if command == "ADD" and status != 0:
            self.roll_back()
            sys.stdout.write(output.decode(errors="replace"))
            sys.exit(1)
        super().judge(name, command, status, output)


if __name__ == "__main__":
    Broken().main()
