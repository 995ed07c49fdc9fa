#!/usr/bin/env python3
# breaks: sec/mode/1
"""Everybody may change the reservations."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    file_mode = 0o666
    directory_mode = 0o777

    def answer(self):
        os.umask(0)
        return super().answer()


if __name__ == "__main__":
    Broken().main()
