#!/usr/bin/env python3
# breaks: spec/1.1.0/concurrency/1
"""Two calls at once see the same address free."""

import contextlib
import json
import os
import sys
import time


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    @contextlib.contextmanager
    def locked(self, directory):
        yield

    def reserve(self, directory, address):
        time.sleep(0.2)
        with open(f"/proc/self/fd/{directory}/{address}", "w", encoding="ascii") as file:
            json.dump({"owner": self.owner}, file)


if __name__ == "__main__":
    Broken().main()
