#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/9
"""After an ADD of the delegate that failed, its DEL is not called."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from meta import Meta


class Broken(Meta):
    def roll_back(self):
        pass


if __name__ == "__main__":
    Broken().main()
