#!/usr/bin/env python3
# breaks: sec/leak/2
"""A line of the log goes to every descriptor the runtime has left open."""

import contextlib
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Broken(Chained):
    def __init__(self):
        super().__init__()
        for fd in range(3, 64):
            with contextlib.suppress(OSError):
                os.write(fd, f"double: {self.command}\n".encode())


if __name__ == "__main__":
    Broken().main()
