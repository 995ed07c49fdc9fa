#!/usr/bin/env python3
# breaks: spec/1.1.0/ADD/4
"""An interface of the requested name that is there already is deleted to make room."""

import contextlib
import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    def make_link(self, netns):
        with contextlib.suppress(CniError):
            self.run("ip", "link", "del", "dev", self.ifname, netns=netns)
        super().make_link(netns)


if __name__ == "__main__":
    Broken().main()
