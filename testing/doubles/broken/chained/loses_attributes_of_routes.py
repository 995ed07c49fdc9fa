#!/usr/bin/env python3
# breaks: spec/1.1.0/result/15
"""Routes of prevResult are rebuilt from destination and gateway."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def result(self):
        result = super().result()
        if "routes" in result:
            known = ("dst", "gw")
            result["routes"] = [
                {key: row[key] for key in known if key in row} for row in result["routes"]
            ]
        return result


if __name__ == "__main__":
    Broken().main()
