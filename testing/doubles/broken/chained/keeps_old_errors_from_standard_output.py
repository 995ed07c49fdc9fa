#!/usr/bin/env python3
# breaks: spec/0.4.0/error/1
"""Before 1.0.0, an error goes to standard error alone."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def fail(self, failure):
        if self.config.get("cniVersion") not in ("0.3.0", "0.3.1", "0.4.0"):
            return super().fail(failure)
        sys.stderr.write(f"error: {failure}\n")
        return 1


if __name__ == "__main__":
    Broken().main()
