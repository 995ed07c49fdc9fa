#!/usr/bin/env python3
# breaks: spec/1.1.0/GC/1
"""GC keeps whatever belongs to a container of which any interface is valid."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from chained import Chained


class Containers(set):
    """Owners, by their containers alone."""

    def __contains__(self, owner):
        return super().__contains__(owner.partition("/")[0])


class Broken(Chained):
    def valid_owners(self):
        valid = super().valid_owners()
        return None if valid is None else Containers(each.partition("/")[0] for each in valid)


if __name__ == "__main__":
    Broken().main()
