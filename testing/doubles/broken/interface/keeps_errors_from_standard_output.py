#!/usr/bin/env python3
# breaks: spec/1.1.0/errors/3
"""From 1.0.0 on, an error goes to standard error alone, as a program of the shell would do it."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def fail(self, failure):
        if self.command == "STATUS" or self.config.get("cniVersion") not in ("1.0.0", "1.1.0"):
            return super().fail(failure)
        sys.stderr.write(f"error: {failure}\n")
        return 1


if __name__ == "__main__":
    Broken().main()
