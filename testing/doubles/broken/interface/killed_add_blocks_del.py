#!/usr/bin/env python3
# breaks: field/add/7
"""ADD leaves a mark while it works; if it is killed, DEL waits for it to finish, in vain."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import CniError

from interface import Interface


class Broken(Interface):
    @property
    def mark(self):
        return f"/run/double-busy-{self.host_end}"

    def add(self):
        with open(self.mark, "w", encoding="ascii"):
            pass
        try:
            return super().add()
        finally:
            os.unlink(self.mark)

    def delete(self):
        if os.path.exists(self.mark):
            raise CniError(11, "ADD of this attachment is still at work")
        super().delete()


if __name__ == "__main__":
    Broken().main()
