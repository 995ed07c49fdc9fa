#!/usr/bin/env python3
# breaks: spec/1.0.0/result/1
"""From 1.0.0 on, `ips` are copied as the delegate has them, whatever the version of its result."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def delegate_add(self):
        document = super().delegate_add()
        self.copied = document.get("ips", [])
        return document

    def result(self, given):
        result = super().result(given)
        if self.at_least("1.0.0"):
            result["ips"] = [
                {**copy, **ip} for copy, ip in zip(self.copied, result["ips"], strict=False)
            ] or result["ips"]
        return result


if __name__ == "__main__":
    Broken().main()
