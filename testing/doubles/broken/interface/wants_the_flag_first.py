#!/usr/bin/env python3
# breaks: field/add/4
"""It believes IgnoreUnknown only where it comes first."""

import os
import sys


sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))

from _cni import ENVIRONMENT, CniError

from interface import Interface


class Broken(Interface):
    def validate(self):
        super().validate()
        args = os.environ.get("CNI_ARGS", "")
        if args and not args.startswith("IgnoreUnknown=1"):
            raise CniError(ENVIRONMENT, "CNI_ARGS has unknown arguments")


if __name__ == "__main__":
    Broken().main()
