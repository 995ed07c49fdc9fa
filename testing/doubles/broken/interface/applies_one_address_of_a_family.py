#!/usr/bin/env python3
# breaks: spec/1.1.0/delegation/12
"""It applies and reports the first address of each family."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _results import family

from interface import Interface


class Broken(Interface):
    def ask_ipam(self):
        given = super().ask_ipam()
        first = {family(ip["address"]): ip for ip in reversed(given["ips"])}
        return {**given, "ips": [ip for ip in given["ips"] if ip in first.values()]}


if __name__ == "__main__":
    Broken().main()
