#!/usr/bin/env python3
# breaks: spec/1.1.0/result/12
"""`dns` is a list where there is nothing in it: the empty array of another language."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def result(self, given):
        result = super().result(given)
        return {**result, "dns": result["dns"] or []}


if __name__ == "__main__":
    Broken().main()
