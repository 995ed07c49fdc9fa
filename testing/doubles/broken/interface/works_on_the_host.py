#!/usr/bin/env python3
# breaks: field/add/3
"""ADD with the namespace of the host goes ahead: the outage of plugins#714."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def open_netns(self):
        try:
            return super().open_netns()
        except CniError:
            own = os.stat("/proc/self/ns/net")
            if os.path.exists(self.netns) and os.path.samestat(os.stat(self.netns), own):
                return os.open(self.netns, os.O_RDONLY | os.O_CLOEXEC)
            raise


if __name__ == "__main__":
    Broken().main()
