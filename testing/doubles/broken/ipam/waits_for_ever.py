#!/usr/bin/env python3
# breaks: field/lock/1
"""A lock that somebody holds is waited for without an end (plugins#561)."""

import fcntl
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from ipam import Ipam


class Broken(Ipam):
    def wait_for_lock(self, fd):
        fcntl.flock(fd, fcntl.LOCK_EX)


if __name__ == "__main__":
    Broken().main()
