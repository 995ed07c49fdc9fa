#!/usr/bin/env python3
# breaks: field/input/1
"""It reads standard input once, and gets what a pipe holds."""

import io
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from interface import Interface


class Broken(Interface):
    def read_stdin(self):
        whole = sys.stdin.buffer.read()
        sys.stdin = io.TextIOWrapper(io.BytesIO(whole[:65536]))
        return super().read_stdin()


if __name__ == "__main__":
    Broken().main()
