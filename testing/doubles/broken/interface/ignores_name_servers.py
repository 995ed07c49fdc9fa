#!/usr/bin/env python3
# breaks: spec/1.1.0/configuration/1
"""The domain of the configuration reaches the result, its name servers do not."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def result(self, given):
        self.config.get("dns", {}).pop("nameservers", None)
        return super().result(given)


if __name__ == "__main__":
    Broken().main()
