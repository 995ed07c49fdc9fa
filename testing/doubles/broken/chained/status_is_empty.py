#!/usr/bin/env python3
# breaks: field/status/3
"""STATUS succeeds for a configuration that ADD refuses."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def validate(self):
        if self.command != "STATUS":
            super().validate()


if __name__ == "__main__":
    Broken().main()
