#!/usr/bin/env python3
# breaks: spec/1.1.0/result/9
"""The indexes in `ips` are counted as if there were no interfaces in prevResult."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def result(self, given):
        result = super().result(given)
        own = {ip["address"] for ip in given["ips"]}
        for ip in result.get("ips", []):
            if ip["address"] in own and ip.get("interface"):
                ip["interface"] = 1
        return result


if __name__ == "__main__":
    Broken().main()
