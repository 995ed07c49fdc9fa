#!/usr/bin/env python3
# breaks: field/gc/3
"""GC takes the lock for a reservation; it is only made together with the directory (plugins#1289)."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from ipam import Ipam


class Broken(Ipam):
    def gc(self):
        super().gc()
        directory = self.open_network()
        if self.valid_owners() is not None and directory is not None:
            os.unlink("lock", dir_fd=directory)

    def open_network(self, *, make=False):
        directory = super().open_network()
        if directory is not None and make and "lock" not in os.listdir(directory):
            raise CniError(107, "the lock is missing")
        return super().open_network(make=True) if make else directory


if __name__ == "__main__":
    Broken().main()
