#!/usr/bin/env python3
# breaks: spec/1.1.0/STATUS/7
"""STATUS does not call the delegate."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from meta import Meta


class Broken(Meta):
    def delegate_status(self):
        self.find_delegate(self.delegate_type())


if __name__ == "__main__":
    Broken().main()
