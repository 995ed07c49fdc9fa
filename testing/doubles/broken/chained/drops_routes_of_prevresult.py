#!/usr/bin/env python3
# breaks: spec/1.1.0/result/15
"""From 1.0.0 on, the routes of prevResult are missing from the result."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def result(self):
        result = super().result()
        if self.at_least("1.0.0"):
            result.pop("routes", None)
        return result


if __name__ == "__main__":
    Broken().main()
