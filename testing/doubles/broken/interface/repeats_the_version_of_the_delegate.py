#!/usr/bin/env python3
# breaks: spec/1.1.0/result/2
"""The result has the cniVersion that the delegate's has, whatever the request says."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def delegate_add(self):
        document = super().delegate_add()
        self.said = document["cniVersion"]
        return document

    def result(self, given):
        return {**super().result(given), "cniVersion": self.said}


if __name__ == "__main__":
    Broken().main()
