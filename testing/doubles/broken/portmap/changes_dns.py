#!/usr/bin/env python3
# breaks: spec/1.1.0/result/13
"""From 1.0.0 on, the result has a resolver option more than prevResult."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from portmap import Portmap


class Broken(Portmap):
    def result(self):
        result = super().result()
        if self.at_least("1.0.0"):
            result["dns"] = {**result.get("dns", {}), "options": ["ndots:5"]}
        return result


if __name__ == "__main__":
    Broken().main()
