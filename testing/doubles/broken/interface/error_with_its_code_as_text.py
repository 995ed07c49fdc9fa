#!/usr/bin/env python3
# breaks: spec/1.1.0/error/2
"""The code of the error is text."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def error(self, failure):
        error = super().error(failure)
        return {**error, "code": str(error["code"])}


if __name__ == "__main__":
    Broken().main()
