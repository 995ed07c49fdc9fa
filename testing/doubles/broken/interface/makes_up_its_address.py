#!/usr/bin/env python3
# breaks: spec/1.1.0/configuration/2
"""The addresses the delegate returned are forgotten for one the plugin likes."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def ask_ipam(self):
        given = super().ask_ipam()
        return {**given, "ips": [{"address": f"10.77.0.{os.getpid() % 250 + 2}/16"}]}


if __name__ == "__main__":
    Broken().main()
